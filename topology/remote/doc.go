// Package remote lets another process look at a simulated network that runs, and have things happen
// to it, through a Unix socket.
//
// Use [Serve] beside [topology.World.Run], and a [Client] elsewhere. It is what is asked of the whole
// network; each node has a control API of its own, as any node. Both ends are this program, so
// nothing here is a contract with others. A Client may be used by any number of goroutines.
package remote
