// Package mirror keeps a network as the events of one node tell it: what is in force now, how it came
// to be so in the last minutes, and what of it deserves a person's attention.
//
// A [Mirror] reads no clock and does no I/O: time is that of the events. It belongs to one goroutine.
package mirror
