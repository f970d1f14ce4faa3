// Package station is a polite Ethernet host around IP packets: to the rest of a segment it is one
// station with one MAC.
//
// Use it where a system has only layer-3 tunnels. A [Station] puts Ethernet headers before packets and
// takes them away, and does what a network stack does between the two: it finds neighbours by ARP
// (RFC 826) and NDP (RFC 4861), answers for its own addresses and for nobody else's, tries its addresses
// before it uses them (RFC 5227, RFC 4862), tells that it has them, and reports the groups that this
// takes (RFC 3810). It does no I/O and reads no clock: frames and the time come in, frames come out.
//
//	packet  ── Outbound ──►  frame            at once, or later by Next
//	packet  ◄── Inbound  ──  frame            the packet is a part of it
//	            Handle   ◄── ARP, NDP, MLD    answers by Next
//	            Tick     ◄── time             questions by Next
//
// Nobody is believed unasked: an address's MAC is learned from an answer to a question that is open, or
// from a host that asks for one of our own addresses, and what contradicts it only makes us ask again.
// All methods may be called by any goroutine.
package station
