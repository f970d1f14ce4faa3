package offload_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// randomSuper makes a super-frame of any shape a kernel may hand over, and the size of its segments.
func randomSuper(r *rand.Rand) (p packet, size int, isECN bool) {
	p = packet{
		v6: r.IntN(2) == 0, udp: r.IntN(2) == 0, tags: make([]uint16, r.IntN(3)),
		tos: uint8(r.Uint32()), ttl: uint8(r.Uint32()), id: uint16(r.Uint32()), df: r.IntN(2) == 0,
		flowLabel: r.Uint32N(1 << 20), host: uint8(r.Uint32()), flow: uint8(r.Uint32()),
		seq: r.Uint32(), ack: r.Uint32(), flags: ack, window: uint16(r.Uint32()),
		urgent: uint16(r.Uint32()), partial: true,
	}
	if !p.v6 {
		p.options = randomBytes(r, 4*r.IntN(4))
	} else if r.IntN(3) == 0 {
		p.extension = append([]byte{0, 0, 1, 4}, 0, 0, 0, 0) // padding only (RFC 8200, 4.2)
	}
	if !p.udp {
		p.tcpOptions = randomBytes(r, 4*r.IntN(11))
		p.flags |= uint8(r.Uint32()) & (fin | psh | ece | cwr)
		isECN = r.IntN(2) == 0
	}
	size = 1 + r.IntN(1500)
	p.payload = randomBytes(r, 1+r.IntN(min(12*size, 60000)))
	return p, size, isECN
}

// TestSegmenterModel cuts random super-frames and wants, byte for byte, the frames that the sender
// would have sent without offloads.
func TestSegmenterModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var s offload.Segmenter
	for range 3000 {
		p, size, isECN := randomSuper(r)
		h, super := p.header(size), p.frame()
		if isECN {
			h.GSOType |= offload.GSOECN
		}
		before := bytes.Clone(super)
		if err := s.Start(h, super); err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		want := p.cut(size, isECN)
		if s.Count() != len(want) || s.Len() != len(want[0]) ||
			s.PacketLen() != len(want[0])-14-4*len(p.tags) {
			t.Fatalf("%d frames of %d bytes, packets of %d; want %d of %d",
				s.Count(), s.Len(), s.PacketLen(), len(want), len(want[0]))
		}
		dst := bytes.Repeat([]byte{0xee}, s.Len()+8)
		for i, w := range want {
			n := s.Next(dst[:s.Len()])
			if !bytes.Equal(dst[:n], w) {
				t.Fatalf("frame %d of %d, size %d, %+v:\n% x, want\n% x", i, len(want), size, p, dst[:n], w)
			}
		}
		if s.Next(dst) != 0 || !bytes.Equal(dst[s.Len():], bytes.Repeat([]byte{0xee}, 8)) {
			t.Fatal("there is something behind the last frame")
		}
		if !bytes.Equal(super, before) {
			t.Fatal("the super-frame was changed")
		}
		cutInPlace(t, &s, h, super, want)
	}
}

// cutInPlace cuts a super-frame from the last segment to the first, each behind 8 bytes of somebody
// else's and at the place where it is to be sent from.
func cutInPlace(t *testing.T, s *offload.Segmenter, h offload.Header, super []byte, want [][]byte) {
	t.Helper()
	const gap = 8
	step := gap + len(want[0])
	buf := make([]byte, len(want)*step+gap)
	copy(buf[gap:], super)
	if err := s.Start(h, buf[gap:gap+len(super)]); err != nil {
		t.Fatal(err)
	}
	for i := s.Count() - 1; i >= 0; i-- {
		s.Put(buf[i*step+gap:], i)
		copy(buf[i*step:], "12345678")
	}
	for i, w := range want {
		if got := buf[i*step+gap:][:len(w)]; !bytes.Equal(got, w) {
			t.Fatalf("frame %d of %d, cut in place:\n% x, want\n% x", i, len(want), got, w)
		}
	}
}

// TestSegmenterWraps has a sequence number and an identification that pass their largest value
// within one super-frame.
func TestSegmenterWraps(t *testing.T) {
	p := packet{seq: 0xffffff00, id: 0xffff, flags: ack, ttl: 64, payload: make([]byte, 3000), partial: true}
	var s offload.Segmenter
	if err := s.Start(p.header(1000), p.frame()); err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, s.Len())
	for i, want := range p.cut(1000, false) {
		if n := s.Next(dst); !bytes.Equal(dst[:n], want) {
			t.Errorf("frame %d: % x, want % x", i, dst[:54], want[:54])
		}
	}
}

// TestSegmenterUDPZero finds a payload whose checksum computes to zero, which has to be sent as all
// ones (RFC 768).
func TestSegmenterUDPZero(t *testing.T) {
	p := packet{udp: true, ttl: 64, payload: make([]byte, 4), partial: true}
	whole := p
	whole.partial = false
	for i := range 1 << 16 {
		p.payload[0], p.payload[1] = byte(i>>8), byte(i)
		whole.payload = p.payload[:2]
		if f := whole.frame(); f[40] == 0xff && f[41] == 0xff {
			break
		}
	}
	var s offload.Segmenter
	if err := s.Start(p.header(2), p.frame()); err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, s.Len())
	if s.Next(dst); dst[40] != 0xff || dst[41] != 0xff {
		t.Errorf("checksum is % x, want ff ff", dst[40:42])
	}
}

func TestSegmenterRefusals(t *testing.T) {
	tcp := packet{flags: ack, payload: make([]byte, 3000), partial: true}
	udp := packet{udp: true, payload: make([]byte, 3000), partial: true}
	six := packet{v6: true, flags: ack, payload: make([]byte, 3000), partial: true}
	for name, c := range map[string]struct {
		p      packet
		change func(h *offload.Header, frame []byte) []byte
	}{
		"no size":              {tcp, func(h *offload.Header, f []byte) []byte { h.GSOSize = 0; return f }},
		"finished checksum":    {tcp, func(h *offload.Header, f []byte) []byte { h.Flags = 0; return f }},
		"plain frame":          {tcp, func(h *offload.Header, f []byte) []byte { h.GSOType = 0; return f }},
		"unknown type":         {tcp, func(h *offload.Header, f []byte) []byte { h.GSOType = 3; return f }},
		"runt":                 {tcp, func(_ *offload.Header, f []byte) []byte { return f[:13] }},
		"nothing":              {tcp, func(*offload.Header, []byte) []byte { return nil }},
		"TCP header cut short": {tcp, func(_ *offload.Header, f []byte) []byte { f[17] = 39; f[16] = 0; return f[:53] }},
		"no TCP payload":       {tcp, func(_ *offload.Header, f []byte) []byte { f[17] = 40; f[16] = 0; return f[:54] }},
		"data offset 4":        {tcp, func(_ *offload.Header, f []byte) []byte { f[46] = 0x40; return f }},
		"start in the IP part": {tcp, func(h *offload.Header, f []byte) []byte { h.CsumStart = 33; return f }},
		"start beyond it":      {tcp, func(h *offload.Header, f []byte) []byte { h.CsumStart = 0xffff; return f }},
		"ARP":                  {tcp, func(_ *offload.Header, f []byte) []byte { f[13] = 6; return f }},
		"length lies":          {tcp, func(_ *offload.Header, f []byte) []byte { f[16] = 0xff; return f }},
		"no UDP payload":       {udp, func(_ *offload.Header, f []byte) []byte { f[17] = 28; f[16] = 0; return f[:42] }},
		"UDP beyond it":        {udp, func(h *offload.Header, f []byte) []byte { h.CsumStart = 3040; return f }},
		"IPv6 cut short":       {six, func(_ *offload.Header, f []byte) []byte { return f[:53] }},
	} {
		h, frame := c.p.header(1000), c.p.frame()
		frame = c.change(&h, frame)
		var s offload.Segmenter
		if err := s.Start(h, frame); !errors.Is(err, offload.ErrHeader) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestComplete finishes what the kernel left partial and compares with the frame that never was.
func TestComplete(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		p, size, _ := randomSuper(r)
		p.payload = p.payload[:min(size, len(p.payload))]
		frame := p.frame()
		h := p.header(0)
		h.GSOType = offload.GSONone
		if err := offload.Complete(h, frame); err != nil {
			t.Fatal(err)
		}
		p.partial = false
		if want := p.frame(); !bytes.Equal(frame, want) {
			t.Fatalf("%+v:\n% x, want\n% x", p, frame, want)
		}
		if err := offload.Complete(offload.Header{}, frame); err != nil || !bytes.Equal(frame, p.frame()) {
			t.Fatal("a finished frame was changed")
		}
	}
}

func TestCompleteRefusals(t *testing.T) {
	frame := make([]byte, 60)
	for _, h := range []offload.Header{
		{Flags: offload.NeedsCsum, CsumStart: 61},
		{Flags: offload.NeedsCsum, CsumStart: 60},
		{Flags: offload.NeedsCsum, CsumStart: 43, CsumOffset: 16},
		{Flags: offload.NeedsCsum, CsumStart: 0xffff, CsumOffset: 0xffff},
	} {
		if err := offload.Complete(h, frame); !errors.Is(err, offload.ErrHeader) {
			t.Errorf("%+v: %v", h, err)
		}
	}
	last := offload.Header{Flags: offload.NeedsCsum, CsumStart: 42, CsumOffset: 16}
	if err := offload.Complete(last, frame); err != nil {
		t.Errorf("a checksum in the last two bytes: %v", err)
	}
}

func TestSegmenterAllocatesNothing(t *testing.T) {
	p := packet{flags: ack, payload: make([]byte, 60000), partial: true}
	h, super := p.header(1448), p.frame()
	dst := make([]byte, 1600)
	var s offload.Segmenter
	allocs := testing.AllocsPerRun(20, func() {
		if s.Start(h, super) != nil {
			t.Error("not started")
		}
		for s.Next(dst) > 0 {
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per super-frame", allocs)
	}
}

// FuzzSegmenter takes any metadata with any frame: all payload comes out once, in frames that are
// not longer than was said, and IPv4 headers are right.
func FuzzSegmenter(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 8 {
		p, size, _ := randomSuper(r)
		p.payload = p.payload[:min(3*size, len(p.payload))]
		h := p.header(size)
		f.Add(h.Flags, h.GSOType, h.GSOSize, h.CsumStart, h.CsumOffset, p.frame())
	}
	f.Fuzz(func(t *testing.T, flags, gsoType uint8, size, start, offset uint16, frame []byte) {
		h := offload.Header{
			Flags: flags, GSOType: gsoType, GSOSize: size, CsumStart: start, CsumOffset: offset,
		}
		_ = offload.Complete(h, bytes.Clone(frame))
		var s offload.Segmenter
		if s.Start(h, frame) != nil {
			return
		}
		count, length := s.Count(), s.Len()
		dst := make([]byte, length)
		total, frames := 0, 0
		for n := s.Next(dst); n > 0; n = s.Next(dst) {
			total += n
			frames++
			if ip, ok := ether.ParseIP(dst[:n]); ok && ip.Version == 4 && n <= 65535 &&
				ether.Sum(dst[ip.Offset:ip.Transport]) != 0xffff {
				t.Fatalf("frame %d has a wrong header checksum", frames)
			}
		}
		again := (frames - 1) * (length - int(size)) // headers that the super-frame had once
		if frames != count || total != len(frame)+again {
			t.Fatalf("%d frames, %d said; %d bytes of %d", frames, count, total, len(frame))
		}
	})
}
