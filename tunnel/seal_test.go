package tunnel

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// TestChunksAreChunk seals messages of all shapes as a whole and chunk by chunk: the datagrams are the same.
func TestChunksAreChunk(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []session.Cipher{session.AEGIS256X2, session.AES256GCM} {
		if !c.Supported() {
			continue
		}
		snd := &sender{t: newTransport(t, c)}
		shapes := map[int]int{}
		for range 2000 {
			payload := 1 + r.IntN(1500)
			if r.IntN(3) == 0 {
				payload = 1 + r.IntN(12) // then metadata is in several
			}
			m := message{frame: make([]byte, 1+r.IntN(payload*(1+r.IntN(wire.MaxChunks)))), vni: 7}
			for i := range m.frame {
				m.frame[i] = byte(r.Uint32())
			}
			headers := 0
			if r.IntN(3) > 0 {
				m.flags, m.before, m.meta.CsumStart = wire.FlagOffload, offload.HeaderLen, uint16(r.IntN(80))
				headers = min(r.IntN(2)*r.IntN(120), len(m.frame))
			}
			plan, ok := chunk.NewPlan(m.before+len(m.frame), headers, payload)
			if !ok {
				continue
			}
			shapes[min(plan.Count, 3)]++
			h := wire.Header{Index: 300, VNI: m.vni, Counter: 1 << 20, Flags: m.flags}
			need := plan.Total() + plan.Count*wire.Overhead
			whole, single := sealer{arena: make([]byte, need+1)}, sealer{arena: make([]byte, need+1)}
			whole.chunks(snd, &m, &plan, h)
			for i := range plan.Count {
				single.chunk(snd, &m, &plan, h, i)
			}
			if whole.used != need || single.used != need || !bytes.Equal(whole.arena, single.arena) {
				t.Fatalf("%v: plan %+v, metadata %d: the datagrams differ", c, plan, m.before)
			}
		}
		if len(shapes) != 3 {
			t.Errorf("messages by their chunks: %v", shapes)
		}
	}
}

// newTransport agrees on keys with somebody who is forgotten.
func newTransport(t *testing.T, c session.Cipher) *session.Transport {
	t.Helper()
	end := func(i byte) *session.Endpoint {
		return session.New(session.Options{
			Key: session.PrivateKey{9, i, 2, 3}, ID: [32]byte{i}, Secrets: [][32]byte{{}}, Epoch: 1, Hardware: true,
			Ciphers: []session.Cipher{c}, Rand: rand.NewChaCha8([32]byte{i}),
			Certificate: func() []byte { return nil }, Head: func() []byte { return nil },
		})
	}
	a, b := end(1), end(2)
	peer, err := a.Add(b.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add(a.Public()); err != nil {
		t.Fatal(err)
	}
	from, to := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")
	peer.Urge(0)
	message := peer.Initiate(0)
	for range 2 { // a challenge comes first
		answer := b.Receive(0, from, message)
		got := a.Receive(0, to, answer.Reply)
		if got.New != nil {
			return got.New
		}
		message = got.Reply
	}
	t.Fatal("no session")
	return nil
}
