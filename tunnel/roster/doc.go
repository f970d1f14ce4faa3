// Package roster is who belongs to a network, and how everybody can tell.
//
// A network is an Ed25519 key. That key signs delegations, which make a node an admin; admins sign
// certificates, revocations and secrets, and each of these carries the delegation, so the network's
// public key, the [Anchor], is all that one needs to check them. What an admin signed is void once
// that admin is revoked, whatever its date says. A member signs only a [Record] of itself.
//
// Every object has one encoding: what decodes encodes to the same bytes again, and anything else is
// refused. Numbers are big-endian, times are seconds since 1970 in 32 bits, an address is 16 bytes
// with IPv4 as ::ffff:0:0/96, and the lists are strictly ascending by their bytes. A signature is
// over
//
//	context   0   network id 32   all of the object that stands before the signature
//
// with a context for every kind of object, so that none can be taken for another, nor for one of
// another network.
//
// There is no I/O and no clock here: callers say what time it is. Objects do not change once they
// are made or parsed, and may be shared between goroutines. They never borrow the bytes that they
// were parsed from.
package roster
