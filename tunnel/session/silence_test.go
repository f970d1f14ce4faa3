package session

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// junk is what a scanner sends that knows the first bytes and the lengths, but not the secret.
func junk(r *rand.ChaCha8, b []byte, i int) []byte {
	kinds := []struct {
		kind wire.Kind
		size int
	}{
		{wire.Handshake1, Message1Len},
		{wire.Handshake2, Message2Len},
		{wire.Cookie, CookieLen},
		{wire.Junk, 1 + i%600},
		{wire.Data, 60},
		{wire.Plain, 64},
	}
	k := kinds[i%len(kinds)]
	b = b[:k.size]
	r.Read(b[:min(40, len(b))])
	switch {
	case k.kind == wire.Data || k.kind == wire.Plain:
		wire.Header{Index: uint32(k.kind-wire.Plain) << 20}.Put(b)
	case k.kind != wire.Junk:
		wire.PutHandshake(b, k.kind)
		clear(b[12:16])
		if k.kind == wire.Handshake2 {
			clear(mac2(b))
		}
	}
	return b
}

func TestSilentToScanner(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	a, b := newPair(t)
	b.peer.Initiate(0) // so that there is something to answer to
	r := seeded(3)
	buf := make([]byte, 700)
	for i := range n {
		d := junk(r, buf, i)
		if got := b.Receive(time.Duration(i)*time.Millisecond, a.addr, d); got.Reply != nil ||
			got.New != nil || got.Peer != nil || got.Reason == drop.None || got.Event != NoEvent {
			t.Fatalf("datagram %d, %x...: %+v", i, d[:min(16, len(d))], got)
		}
	}
}

// What strangers send costs no memory.
func TestJunkDoesNotAllocate(t *testing.T) {
	a, b := newPair(t)
	r := seeded(4)
	buf := make([]byte, 700)
	for i := range 6 {
		d := junk(r, buf, i)
		if kind := wire.KindOf(d); kind == wire.Cookie != b.Screen(d) {
			t.Errorf("screening junk of kind %v: %v", kind, b.Screen(d))
		}
		allocs := testing.AllocsPerRun(100, func() {
			b.Screen(d)
			b.Receive(0, a.addr, d)
		})
		if allocs != 0 {
			t.Errorf("a datagram of kind %v costs %v allocations", wire.KindOf(d), allocs)
		}
	}
}

// No answer is longer than what it answers, whatever the state: first or again, under load or not,
// a peer as expected or one whose state went back.
func TestNoAmplification(t *testing.T) {
	full := func() []byte { return make([]byte, MaxCertificate) }
	seen := map[int]bool{}
	for state := range 4 {
		a, b := newPair(t, func(a, b *Options) { a.Certificate, b.Certificate = full, full })
		if state&1 != 0 {
			b.load = bucket{0, time.Hour}
		}
		if state&2 != 0 {
			b.peer.accepted, b.peer.highest = 1, 1<<63
		}
		m, to, from := a.call(), b, a
		for range 5 { // the two answer each other
			var again []byte
			for range 2 {
				r := to.Receive(time.Hour, from.addr, m)
				seen[len(r.Reply)] = true
				// A cookie answers a message of this node's own, which is sent again, once, to the peer
				// that asked for it.
				if len(r.Reply) > len(m) && (wire.KindOf(m) != wire.Cookie || len(r.Reply) > Message1Len) {
					t.Fatalf("state %d: %d bytes are answered with %d", state, len(m), len(r.Reply))
				}
				if again != nil && len(r.Reply) > CookieLen {
					t.Fatalf("state %d: a copy is answered with %d bytes", state, len(r.Reply))
				}
				if again == nil {
					again = r.Reply
				}
			}
			m, to, from = again, from, to
		}
	}
	for _, size := range []int{0, Message1Len, Message2Len, CookieLen} {
		if !seen[size] {
			t.Errorf("the test meets no answer of %d bytes", size)
		}
	}
}

// Any goroutine may screen, also while another one receives.
func TestScreenConcurrently(t *testing.T) {
	a, b := newPair(t)
	m1 := a.call()
	done := make(chan bool)
	for i := range 4 {
		go func() {
			bad := append([]byte(nil), m1...)
			binary.BigEndian.PutUint32(bad[100:], uint32(i))
			ok := true
			for range 500 {
				ok = ok && b.Screen(m1) && !b.Screen(bad)
			}
			done <- ok
		}()
	}
	for range 50 {
		b.Receive(0, a.addr, m1)
	}
	for range 4 {
		if !<-done {
			t.Error("a screen was wrong")
		}
	}
}
