// Package stun is STUN (RFC 8489) as far as the mesh port needs it: answers to strangers who ask what
// their address is, the same question to others, and what the answers say about the NAT in between
// (RFC 5780).
//
// Everything here is bytes and time in, bytes out: there is no socket, no clock and no goroutine. A
// time is a [time.Duration] since any moment that the caller keeps to, never negative; only random
// numbers come from elsewhere. pion/stun takes messages apart and puts them together; what is
// believed is decided here.
package stun
