// Package netmon watches how this machine is connected: its interfaces and addresses, its default
// routes, and whether it slept.
//
//	the system's messages ─┐
//	a look now and then   ─┼─► read all again ─► differs? ─► one Event to each subscriber
//	clocks that leapt     ─┘
//
// A message of the system only says when to look: what is told comes from reading everything anew,
// so a message that was lost or misread costs time and never a wrong state. Systems that send no
// messages are looked at more often.
package netmon
