// Package session agrees keys with peers and seals and opens datagrams with them.
//
// An [Endpoint] is this node's side of every handshake (Noise IKpsk2 over X25519,
// ChaCha20-Poly1305 and SHA-256), a [Peer] is one node it may talk to, and a [Transport] is one
// set of agreed keys. Handshake datagrams and the time go in, datagrams to send and new transports
// come out: the package does no input or output, reads no clock and starts no goroutine. Times are
// durations since an origin of the owner's choosing, and they go on while the machine sleeps: keys
// age in real time.
//
// One goroutine at a time may use an Endpoint and its Peers, except for [Endpoint.Screen]. Any
// number may use a Transport.
//
// A peer has several transports at a time, so that no datagram is lost while keys change. Both
// ends must send with the same one in the end, also when both began a handshake at once and
// messages were lost or overtook each other. That is what ranks are for: every session has a
// number that both ends know and that is greater than that of every session either of them knew
// before, and of equal numbers the one wins whose initiator has the greater key. The initiator may
// send as soon as message 2 came, the responder once it opened a datagram, and either moves only
// to a higher rank: the highest session that its initiator has got is where both arrive.
package session
