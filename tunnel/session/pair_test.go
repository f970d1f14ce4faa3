package session

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// seeded is randomness that is the same in every run.
func seeded(seed uint64) *rand.ChaCha8 {
	var s [32]byte
	for i := range 8 {
		s[i] = byte(seed >> (8 * i))
	}
	return rand.NewChaCha8(s)
}

// A node is one end of a test: an endpoint with one peer.
type node struct {
	*Endpoint
	peer *Peer
	addr netip.AddrPort
}

// options are those of the i-th node of the test network.
func options(i byte) Options {
	o := Options{
		Epoch: 1, Hardware: true, Caps: CapCsum | CapTSO, Rand: seeded(uint64(i)),
		Certificate: func() []byte { return []byte{'c', i} },
		Head:        func() []byte { return []byte{'h', i} },
	}
	seeded(100 + uint64(i)).Read(o.Key[:])
	o.ID = [32]byte{'i', 'd', i}
	o.Network = [32]byte{'n', 'e', 't'}
	o.Secrets = [][32]byte{{'s', 'e', 'c', 'r', 'e', 't'}}
	return o
}

// newPair makes two nodes that know each other. The first has the greater key.
func newPair(t testing.TB, change ...func(a, b *Options)) (a, b *node) {
	t.Helper()
	oa, ob := options(1), options(2)
	for _, f := range change {
		f(&oa, &ob)
	}
	a = &node{Endpoint: New(oa), addr: netip.MustParseAddrPort("192.0.2.1:1111")}
	b = &node{Endpoint: New(ob), addr: netip.MustParseAddrPort("198.51.100.2:2222")}
	if a.public.String() == b.public.String() {
		return a, b
	}
	a.peer, b.peer = addPeer(t, a.Endpoint, b.public), addPeer(t, b.Endpoint, a.public)
	return a, b
}

func addPeer(t testing.TB, e *Endpoint, key PublicKey) *Peer {
	t.Helper()
	p, err := e.Add(key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// call makes a message 1 now, whenever the last was.
func (n *node) call() []byte {
	n.peer.tries++
	n.peer.challenged = false
	return n.peer.begin(n.realmFor(n.peer.tries), [macLen]byte{})
}

// connect runs a handshake that a begins, and gives both ends of the session, confirmed.
func connect(t testing.TB, now time.Duration, a, b *node) (ta, tb *Transport) {
	t.Helper()
	r := b.Receive(now, a.addr, a.call())
	if r.Reply == nil {
		t.Fatalf("message 1: %+v", r)
	}
	tb = r.New
	r = a.Receive(now, b.addr, r.Reply)
	if r.New == nil {
		t.Fatalf("message 2: %+v", r)
	}
	ta = r.New
	if got := exchange(t, ta, tb, "hello"); got != drop.None {
		t.Fatalf("first datagram: %v", got)
	}
	if !b.peer.Confirm(tb) {
		t.Fatal("the first datagram does not make the session current")
	}
	return ta, tb
}

// sealed makes a datagram with the text in it.
func sealed(t testing.TB, from *Transport, text string) []byte {
	t.Helper()
	counter, ok := from.Reserve(1)
	if !ok {
		t.Fatal("no counter")
	}
	b := make([]byte, wire.Overhead+len(text))
	wire.Header{Index: from.RemoteIndex(), VNI: 7, Counter: counter, Last: true}.Put(b)
	from.Seal(b, []byte(text))
	return b
}

// exchange carries one datagram and tells what became of it.
func exchange(t testing.TB, from, to *Transport, text string) drop.Reason {
	t.Helper()
	out, reason := to.Open(nil, sealed(t, from, text))
	if reason == drop.None && string(out) != text {
		t.Fatalf("opened %q, sealed %q", out, text)
	}
	return reason
}

// same reports whether both ends send with the same session.
func same(a, b *node) bool {
	ta, tb := a.peer.Current(), b.peer.Current()
	return ta != nil && tb != nil && ta.Index() == tb.RemoteIndex() && tb.Index() == ta.RemoteIndex()
}
