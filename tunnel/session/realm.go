package session

import (
	"crypto/cipher"
	"slices"
)

// MaxSecrets is how many of a network's secrets a node goes by at a time: the newest, and those that
// peers may still have that were away.
const MaxSecrets = 4

// A realm is what follows from one of the network's secrets: who knows it gets an answer.
type realm struct {
	secret  [32]byte
	psk     []byte
	mac1    *checker    // of what is sent to us
	cookies cipher.AEAD // seals the cookies we give
}

func newRealm(secret [32]byte, own PublicKey) *realm {
	return &realm{
		secret: secret, psk: derive(secret[:], nil, "vxmesh1 psk"),
		mac1:    newChecker(receiverKey(secret, own, "vxmesh1 mac1")),
		cookies: cookieAEAD(secret, own),
	}
}

// SetSecrets changes the network's secrets, newest first, at most [MaxSecrets]; none is one of zeros.
// Handshakes are begun under the newest, and under the others in turn while a peer does not answer.
// Those that come in may be under any. Sessions that there are go on; a message 1 under a secret that
// is none any more is given up, and the next try comes when it would have come anyway.
func (e *Endpoint) SetSecrets(secrets [][32]byte) {
	if len(secrets) == 0 {
		secrets = make([][32]byte, 1)
	}
	before := *e.realms.Load()
	next := make([]*realm, 0, MaxSecrets)
	for _, s := range secrets[:min(len(secrets), MaxSecrets)] {
		i := slices.IndexFunc(before, func(r *realm) bool { return r.secret == s })
		if i >= 0 {
			next = append(next, before[i])
		} else {
			next = append(next, newRealm(s, e.public))
		}
	}
	e.realms.Store(&next)
	for _, p := range e.peers {
		if p.attempt != nil && !slices.Contains(next, p.attempt.realm) {
			p.abandon()
		}
	}
}

// realmOf gives the realm that a message 1 or 2 was made in, or nil. It does not allocate.
func (e *Endpoint) realmOf(b []byte) *realm {
	for _, r := range *e.realms.Load() {
		if r.mac1.check(beforeMAC1(b), mac1(b)) {
			return r
		}
	}
	return nil
}

// realmFor gives the realm to begin the n-th try of a series in, from 1: twice the newest, then the
// others and the newest in turn.
func (e *Endpoint) realmFor(n int) *realm {
	list := *e.realms.Load()
	if n <= 2 {
		return list[0]
	}
	return list[(n-2)%len(list)]
}
