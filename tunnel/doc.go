// Package tunnel is the engine: it moves frames between this machine's devices and the VTEPs of
// their segments.
//
// The way of a frame, one file after another:
//
//	uplink.go     device.ReadFrame -> bridge.Lookup -> vxlan header, cut, queue -> udp.Write
//	downlink.go   udp.Read -> vxlan.Parse -> bridge.Learn, Lookup -> merge -> device.WriteFrame
//
// The goroutines, all started by [Node.Run] and ended when it returns:
//
//   - an uplink for each segment's device and a downlink for each receiving socket. They run to
//     completion: no channel, no allocation per frame. Each owns its buffers: what is sent lies in
//     the uplink's arena until it is flushed, what was received in the downlink's reader until its
//     next read.
//   - a keeper, which owns everything slow: ageing, routes, group memberships, learned VTEPs.
//   - a route watcher, which only wakes the keeper, and for each segment the device's own watcher.
//
// The loops read what the keeper and [Node.Apply] publish through atomic pointers, and change
// nothing of it. A [Node] may be asked for its status from any goroutine.
package tunnel
