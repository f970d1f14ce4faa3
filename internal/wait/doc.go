// Package wait has a thread sleep in the kernel until a descriptor is readable, past Go's poller.
//
// Use it for descriptors on the way of a frame, where every frame that finds a sleeping thread pays
// for each step of waking it: Go's poller adds its own thread, its monitor and a queue to them. Plain
// files and control sockets belong to the poller. A [Descriptor] may be used by any number of
// goroutines, of which one may wait to read; a [Group] belongs to one goroutine.
//
// Only Linux has it; elsewhere the package is empty.
package wait
