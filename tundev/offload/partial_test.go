package offload_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// unfinished is the metadata of a packet that is no super-frame and has a partial checksum.
func (p *packet) unfinished() offload.Header {
	h := p.header(0)
	h.GSOType = offload.GSONone // HdrLen is a hint that kernels give
	return h
}

func TestAddPartialMerges(t *testing.T) {
	for name, p := range map[string]packet{
		"TCP over IPv4": {flags: ack, df: true, partial: true},
		"TCP over IPv6": {flags: ack, v6: true, partial: true},
		"UDP over IPv6": {udp: true, v6: true, partial: true},
	} {
		packets := run(p, 10)
		var out []output
		c := offload.NewCoalescer(true, true, collect(&out))
		for i := range packets {
			c.AddPartial(packets[i].unfinished(), packets[i].frame())
		}
		c.Flush()
		want := coalesce(framesOf(packets)...)
		if len(out) != 1 || out[0].h != want[0].h || !bytes.Equal(out[0].frame, want[0].frame) {
			t.Errorf("%s: %d frames, %+v", name, len(out), out[0].h)
		}
	}
}

// Alone, a frame comes out as it went in, with the metadata it went in with.
func TestAddPartialAlone(t *testing.T) {
	good := packet{flags: ack, partial: true, payload: []byte("alone")}
	for name, p := range map[string]packet{
		"TCP":                   good,
		"SYN":                   {flags: syn, partial: true},
		"UDP":                   {udp: true, v6: true, partial: true, payload: []byte("alone")},
		"not IP":                {},
		"a VLAN":                {tags: []uint16{5}, flags: ack, partial: true, payload: []byte("alone")},
		"not partial after all": {flags: ack, payload: []byte("alone")},
	} {
		frame := p.frame()
		if name == "not IP" {
			frame[12] = 0x42
		}
		var out []output
		c := offload.NewCoalescer(true, true, collect(&out))
		c.AddPartial(p.unfinished(), bytes.Clone(frame))
		c.Flush()
		if len(out) != 1 || out[0].h != p.unfinished() || !bytes.Equal(out[0].frame, frame) {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// Metadata that a super-frame could not say keeps a frame alone, in its place in the flow.
func TestAddPartialKeepsApart(t *testing.T) {
	for name, change := range map[string]func(*offload.Header){
		"another start":    func(h *offload.Header) { h.CsumStart-- },
		"another offset":   func(h *offload.Header) { h.CsumOffset = 6 },
		"a flag":           func(h *offload.Header) { h.Flags |= offload.DataValid },
		"no metadata":      func(h *offload.Header) { *h = offload.Header{} },
		"a segment size":   func(h *offload.Header) { h.GSOSize = 100 },
		"it says segments": func(h *offload.Header) { h.GSOType = offload.GSOTCPv4 },
	} {
		packets := run(packet{flags: ack, df: true, partial: true}, 5)
		var out []output
		c := offload.NewCoalescer(true, true, collect(&out))
		odd := packets[2].unfinished()
		change(&odd)
		for i := range packets {
			h := packets[i].unfinished()
			if i == 2 {
				h = odd
			}
			c.AddPartial(h, packets[i].frame())
		}
		c.Flush()
		if len(out) != 3 || out[0].parts != 2 || out[1].parts != 1 || out[1].h != odd || out[2].parts != 2 {
			t.Errorf("%s: %d frames", name, len(out))
		}
	}
}

// TestAddPartialModel mixes verified frames with those that are vouched for, in the same flows.
func TestAddPartialModel(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 5))
	merged := 0
	for range 1000 {
		in := mix(r)
		var out []output
		c := offload.NewCoalescer(true, true, collect(&out))
		for _, f := range in {
			if h, ok := unfinishedHeader(f); ok && r.IntN(4) > 0 {
				c.AddPartial(h, bytes.Clone(f))
				continue
			}
			c.Add(bytes.Clone(f))
		}
		c.Flush()
		compareFlows(t, finished(in), expand(t, out))
		for _, o := range out {
			if o.parts > 1 {
				merged++
			}
		}
	}
	if merged < 3000 {
		t.Errorf("only %d super-frames were made", merged)
	}
}

// unfinishedHeader is the metadata of a frame with a partial checksum; not ok for others.
func unfinishedHeader(f []byte) (h offload.Header, ok bool) {
	ip, ok := ether.ParseIP(f)
	h = offload.Header{Flags: offload.NeedsCsum, CsumStart: uint16(ip.Transport), CsumOffset: 16}
	switch {
	case !ok || ip.Version == 0:
		return h, false
	case ip.Proto == ether.ProtoUDP:
		h.CsumOffset = 6
	case ip.Proto != ether.ProtoTCP:
		return h, false
	}
	at := ip.Transport + int(h.CsumOffset)
	if at+2 > ip.End {
		return h, false
	}
	return h, binary.BigEndian.Uint16(f[at:]) == ip.PseudoSum(f, ip.Proto, ip.End-ip.Transport)
}

func TestAddPartialAllocatesNothing(t *testing.T) {
	packets := run(packet{flags: ack, df: true, partial: true}, 40)
	frames := framesOf(packets)
	work := bytes.Clone(frames[0])
	n := 0
	c := offload.NewCoalescer(true, true, func(_ offload.Header, parts [][]byte) { n += len(parts) })
	h := packets[0].unfinished()
	allocs := testing.AllocsPerRun(50, func() {
		copy(work, frames[0])
		c.AddPartial(h, work)
		for _, f := range frames[1:] {
			c.AddPartial(h, f)
		}
		c.Flush()
	})
	if allocs != 0 || n != 51*40 {
		t.Errorf("%v allocations per batch, %d parts", allocs, n)
	}
}

func BenchmarkCoalescerPartial(b *testing.B) {
	p := packet{flags: ack, df: true, partial: true}
	var frames [][]byte
	for range 44 {
		p.payload = make([]byte, 1448)
		frames = append(frames, p.frame())
		p.seq += 1448
		p.id++
	}
	h, work := p.unfinished(), make([]byte, len(frames[0]))
	c := offload.NewCoalescer(true, true, func(offload.Header, [][]byte) {})
	b.SetBytes(int64(len(frames) * len(work)))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, frames[0])
		c.AddPartial(h, work)
		for _, f := range frames[1:] {
			c.AddPartial(h, f)
		}
		c.Flush()
	}
}
