// Package tunnel is the engine: it moves frames between this machine's devices and the peers and
// VTEPs of their segments.
//
// The way of a frame, one file after another:
//
//	uplink.go     device.ReadFrame -> bridge.Lookup -> egress
//	egress.go     peers: seal.go; VTEPs: vxlan header, cut -> outbox.go -> udp.Write
//	seal.go       chunk.Plan, session.Seal -> outbox.go -> udp.Write
//
//	downlink.go   udp.Read -> vxlan.Parse -> ingress            (VTEPs)
//	meshlink.go   udp.Read -> wire.KindOf, session.Open -> ingress    (peers)
//	ingress.go    bridge.Learn, Lookup -> merge -> device.WriteFrame, or egress
//
// What is slow about peers is the mesh's: mesh.go, and handshake.go, path.go, ping.go, members.go,
// resolve.go, conflict.go and peers.go beside it.
//
// The goroutines, all started by [Node.Run] or [Node.Apply] and ended when Run returns:
//
//   - an uplink for each segment's device, a downlink for each VXLAN socket, a meshlink for each mesh
//     socket. They run to completion: no channel, no allocation per frame. Each owns its buffers.
//   - the mesh, which looks after the peers, and a resolver for their names.
//   - a keeper, which owns everything else that is slow: ageing, routes, group memberships, learned
//     VTEPs.
//   - a route watcher, which only wakes the keeper and the mesh, and for each segment the device's
//     own watcher.
//
// The loops read what the others publish through atomic pointers, and change nothing of it. A
// [Node] may be asked for its status from any goroutine.
package tunnel
