package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// sound checks what holds for every result.
func sound(t *testing.T, in []byte, r Result) {
	t.Helper()
	switch {
	case r.New != nil && (r.Peer == nil || r.Reason != drop.None):
		t.Errorf("a session with nobody or for a reason: %+v", r)
	case r.Reason == drop.Auth && (r.Reply != nil || r.Peer != nil && r.New != nil):
		t.Errorf("an answer to what is not authentic: %+v", r)
	case len(r.Reply) > len(in) && wire.KindOf(in) != wire.Cookie:
		t.Errorf("%d bytes answer %d", len(r.Reply), len(in))
	}
}

// patch writes change into b, somewhere: a short input is a whole message with a fault in it.
func patch(b []byte, at uint16, change []byte) {
	if int(at) < len(b) {
		copy(b[at:], change)
	}
}

// seeds are payloads with each field wrong, and datagrams with each part changed.
func seeds(f *testing.F, ends ...uint16) {
	f.Helper()
	for _, at := range []uint16{0, 1, 4, 8, 12, 28, 60, 100, 101, 102, 399} {
		f.Add(at, []byte{9}, uint16(0), []byte{}, true)
	}
	for _, at := range append(ends, 0, 7, 8, 12, 16, 48) {
		f.Add(uint16(0), []byte{}, at, []byte{9}, true)
		f.Add(uint16(0), []byte{}, at, []byte{9}, false)
	}
	f.Add(uint16(0), []byte{}, uint16(0), []byte{}, false)
}

// FuzzMessage1 has the initiator seal any payload, and then changes the datagram. A member of the
// network can make its mac right again.
func FuzzMessage1(f *testing.F) {
	seeds(f, 96, 511, 512, 528, 543)
	f.Fuzz(func(t *testing.T, at uint16, text []byte, then uint16, change []byte, member bool) {
		a, b := newPair(t)
		var sealed []byte
		m := forge1(a, func(b []byte) {
			patch(b, at, text)
			sealed = bytes.Clone(b)
		})
		whole := bytes.Clone(m)
		patch(m, then, change)
		if member {
			m = remac(b, m)
		}
		r := b.Receive(0, a.addr, m)
		sound(t, m, r)
		if (r.New == nil) != (len(b.peer.Transports()) == 0) {
			t.Error("a session that nobody was told of")
		}
		if r.Peer != nil && !bytes.Equal(noisePart(m), noisePart(whole)) {
			t.Error("a changed message 1 is authentic")
		}
		if _, ok := parsePayload(sealed); r.Peer != nil && !ok {
			t.Error("a payload that is none was taken")
		}
	})
}

// FuzzMessage2 does the same with the responder.
func FuzzMessage2(f *testing.F) {
	seeds(f, 463, 464, 480, 495)
	f.Fuzz(func(t *testing.T, at uint16, text []byte, then uint16, change []byte, member bool) {
		a, b := newPair(t)
		payload := func(b []byte) { patch(b, at, text) }
		m := forge2(t, b, a.call(), payload)
		whole := bytes.Clone(m)
		patch(m, then, change)
		if member {
			m = remac(a, m)
		}
		r := a.Receive(0, b.addr, m)
		sound(t, m, r)
		if r.Reply != nil {
			t.Errorf("message 2 is answered: %+v", r)
		}
		if r.New != nil && (!bytes.Equal(noisePart(m), noisePart(whole)) || a.peer.Current() != r.New) {
			t.Error("a session from a forged message 2, or one that is not used")
		}
	})
}

// FuzzPayload reads payloads without the seal: what is read is written again as it was.
func FuzzPayload(f *testing.F) {
	h := New(options(1)).payload()
	f.Add(h.marshal())
	h.certificate = make([]byte, MaxCertificate)
	f.Add(h.marshal())
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := parsePayload(b)
		if ok && !bytes.Equal(h.marshal(), b) {
			t.Errorf("%x is read as %+v", b, h)
		}
	})
}

func FuzzCookie(f *testing.F) {
	a, b := newPair(f)
	m1 := bytes.Clone(a.call())
	first := *a.peer.attempt
	plain, challenge := b.demand(b.newest(), m1, [16]byte{1}, 0), b.demand(b.newest(), m1, [16]byte{1}, flagChallenge)
	f.Add(plain)
	f.Add(challenge)
	f.Add(b.demand(b.newest(), m1, [16]byte{1}, 2))
	f.Fuzz(func(t *testing.T, m []byte) {
		a.peer.abandon()
		again := first
		a.peer.attempt, a.indices[first.index] = &again, a.peer
		a.peer.challenged = false
		r := a.Receive(time.Second, b.addr, m)
		sound(t, m, r)
		if r.Reply != nil && !bytes.Equal(m, plain) && !bytes.Equal(m, challenge) {
			t.Error("a forged cookie is answered")
		}
	})
}

func FuzzOpen(f *testing.F) {
	for _, c := range ciphers {
		a, b := newPair(f, only(c))
		ta, _ := connect(f, 0, a, b)
		f.Add(sealed(f, ta, "seed"))
	}
	a, b := newPair(f, only(AES256GCM))
	ta, tb := connect(f, 0, a, b)
	good := sealed(f, ta, "seed")
	f.Add(good)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		in := bytes.Clone(datagram)
		out, reason := tb.Open([]byte("x"), datagram)
		switch {
		case !bytes.Equal(in, datagram):
			t.Error("the datagram was written to")
		case reason == drop.None && !bytes.Equal(in, good):
			t.Errorf("a forged datagram opens as %q", out)
		case reason != drop.None && string(out) != "x":
			t.Errorf("%v, and yet %q", reason, out)
		}
	})
}
