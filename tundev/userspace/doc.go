// Package userspace is a network stack inside the program, behind a device of a segment: a host without
// the system, and so without any rights.
//
// Use it where no kernel device may be made, or where the program itself has to talk in a segment: a
// [Device] is a [tundev.Device], and beside that dials, listens and pings. The stack is gVisor's; what a
// host says on an Ethernet beneath IP, [tundev.Host] says.
//
//	DialContext, Listen, Ping ─► gVisor: TCP, UDP, ICMP, IP ─► link ─► tundev.Host: ARP, NDP ─► engine
//
// A device answers ping, and for connections to ports where nobody listens it says so, for its own addresses
// and no others. It forwards nothing and believes no router. All methods but ReadFrame, which one goroutine
// calls, may be called by any goroutine at any time.
package userspace
