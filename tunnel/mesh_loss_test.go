package tunnel_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// patternAt is what every flow has at a place, so that a byte that is not where it belongs shows.
func patternAt(at uint32) byte { return byte((at * 2654435761) >> 24) }

func pattern(at uint32, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = patternAt(at + uint32(i))
	}
	return b
}

// tcpSuperFrame is what a kernel hands over of a TCP flow: n bytes from seq on, unfinished.
func tcpSuperFrame(dst, src ether.MAC, seq uint32, n int) (offload.Header, []byte) {
	f := plainFrame(dst, src, "")
	f[12], f[13] = 8, 0
	f = append(f, 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, ether.ProtoTCP, 0, 0, 192, 0, 2, 2, 192, 0, 2, 1)
	binary.BigEndian.PutUint16(f[16:], uint16(40+n))
	f = append(f, 3, 0xe8, 0x13, 0x89)
	f = binary.BigEndian.AppendUint32(f, seq)
	f = append(f, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0)
	ether.PutIPv4Checksum(f[14:])
	f = append(f, pattern(seq, n)...)
	ip, _ := ether.ParseIP(f)
	binary.BigEndian.PutUint16(f[50:], ip.PseudoSum(f, ether.ProtoTCP, 20+n))
	h := offload.Header{Flags: offload.NeedsCsum, CsumStart: 34, CsumOffset: 16}
	if n > superSize {
		h.GSOType, h.HdrLen, h.GSOSize = offload.GSOTCPv4, 54, superSize
	}
	return h, f
}

// superSize is the payload of the segments that a [tcpSuperFrame] becomes.
const superSize = 1400

// A sink checks all that a device gets of one TCP flow that begins at 0 and of numbered frames.
type sink struct {
	t       *testing.T
	cover   []bool // bytes of the flow that came
	bytes   int
	numbers map[uint32]int // frames by their number
	supers  int
}

func newSink(t *testing.T, length int) *sink {
	return &sink{t: t, cover: make([]bool, length), numbers: make(map[uint32]int)}
}

// take checks frames.
func (s *sink) take(frames []tundevtest.Frame) {
	for _, f := range frames {
		if f.Header.IsSuper() {
			s.supers++
		}
		for _, piece := range finished(s.t, f) {
			s.frame(piece)
		}
	}
}

// finished makes of a frame what leaves by the wire.
func finished(t *testing.T, f tundevtest.Frame) (pieces [][]byte) {
	if !f.Header.IsSuper() {
		if err := offload.Complete(f.Header, f.Bytes); err != nil {
			t.Fatal(err)
		}
		return [][]byte{f.Bytes}
	}
	var cut offload.Segmenter
	if err := cut.Start(f.Header, f.Bytes); err != nil {
		t.Fatalf("%+v: %v", f.Header, err)
	}
	for i := range cut.Count() {
		piece := make([]byte, cut.Len())
		pieces = append(pieces, piece[:cut.Put(piece, i)])
	}
	return pieces
}

// frame checks one finished frame.
func (s *sink) frame(f ether.Frame) {
	ip, ok := ether.ParseIP(f)
	if !ok {
		s.t.Fatalf("malformed: % x", f[:min(60, len(f))])
	}
	if ip.Proto == ether.ProtoTCP && ip.Version == 4 {
		s.segment(f, ip)
		return
	}
	body := f[ether.HeaderLen:]
	if ip.Version != 0 {
		body = f[ip.Transport+ether.UDPHeaderLen:]
	}
	number := binary.BigEndian.Uint32(body)
	if string(body[4:]) != string(pattern(number, len(body)-4)) {
		s.t.Fatalf("frame %d of %d bytes is corrupt", number, len(f))
	}
	s.numbers[number]++
	if s.numbers[number] > 1 {
		s.t.Errorf("frame %d came twice", number)
	}
}

// segment checks a TCP segment.
func (s *sink) segment(f ether.Frame, ip ether.IP) {
	tcp := f[ip.Transport:ip.End]
	if sum := ether.AddSum(ip.PseudoSum(f, ether.ProtoTCP, len(tcp)), ether.Sum(tcp)); sum != 0xffff {
		s.t.Fatalf("TCP checksum is wrong by %#x", ^sum)
	}
	seq := int(binary.BigEndian.Uint32(tcp[4:]))
	payload := tcp[20:]
	if seq+len(payload) > len(s.cover) {
		s.t.Fatalf("bytes %d to %d of %d", seq, seq+len(payload), len(s.cover))
	}
	for i, b := range payload {
		if b != patternAt(uint32(seq+i)) {
			s.t.Fatalf("byte %d is wrong, %d in the segment", seq+i, i)
		}
		if s.cover[seq+i] {
			s.t.Fatalf("byte %d came twice", seq+i)
		}
		s.cover[seq+i] = true
	}
	s.bytes += len(payload)
}

// TestBadLinks carries super-frames, jumbo and small frames over links that harm them: whatever
// arrives is what was sent, where it belongs, and once; and a hole costs what a lost packet costs.
func TestBadLinks(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		link  simnet.Conditions
		super float64 // least share of the bytes of super-frames
		small float64 // of small frames
	}{
		"perfect":     {simnet.Conditions{}, 1, 1},
		"loss 1 %":    {simnet.Conditions{Delay: 5 * ms, Loss: 0.01}, 0.97, 0.96},
		"loss 5 %":    {simnet.Conditions{Delay: 5 * ms, Loss: 0.05}, 0.92, 0.9},
		"loss 20 %":   {simnet.Conditions{Delay: 5 * ms, Loss: 0.2}, 0.7, 0.7},
		"duplication": {simnet.Conditions{Delay: 5 * ms, Jitter: 3 * ms, Duplicate: 0.3}, 1, 1},
		"reordering":  {simnet.Conditions{Delay: 5 * ms, Jitter: 15 * ms}, 0.999, 1},
		"corruption":  {simnet.Conditions{Delay: 5 * ms, Corrupt: 0.02}, 0.94, 0.95},
		"all of it": {simnet.Conditions{
			Delay: 5 * ms, Jitter: 10 * ms, Loss: 0.03, Duplicate: 0.1, Corrupt: 0.02,
		}, 0.9, 0.9},
		"a narrow path":  {simnet.Conditions{Delay: 5 * ms, Loss: 0.01, MTU: 700}, 0.97, 0.96},
		"a distant path": {simnet.Conditions{Delay: 300 * ms, Jitter: 5 * ms, Loss: 0.01}, 0.97, 0.96},
	} {
		for kind, plain := range map[string]bool{"": false, ", no offloads": true} {
			t.Run(name+kind, func(t *testing.T) {
				t.Parallel()
				simulate(t, 9, func(w *world) {
					a, b := w.pair()
					if plain {
						b.plainDevice()
					}
					w.link(a, b).Set(c.link)
					start(a, b)
					w.up(20 * time.Second)
					w.pass(10 * time.Second) // the path's MTU is found
					super := c.super
					if plain { // each segment takes two datagrams
						super *= super
					}
					w.badLink(a, b, super, c.small)
				})
			})
		}
	}
}

// badLink sends from a to b for some seconds and checks what comes.
func (w *world) badLink(a, b *member, super, small float64) {
	w.t.Helper()
	b.say(a, "I am here") // so that nothing is flooded
	w.pass(time.Second)
	const rounds, each, jumbo = 200, 40000, 9000
	s := newSink(w.t, rounds*each)
	b.device.Frames()
	for i := range rounds {
		a.inject(tcpSuperFrame(station(b.i), station(a.i), uint32(i*each), each))
		for n, size := range map[int]int{0: 60, 1: 1300} {
			number := uint32(3*i + n)
			body := binary.BigEndian.AppendUint32(nil, number)
			body = append(body, pattern(number, size)...)
			a.inject(bare, plainFrame(station(b.i), station(a.i), string(body)))
		}
		number := uint32(3*i + 2)
		f := ipFrame(station(b.i), station(a.i), jumbo-28)
		binary.BigEndian.PutUint32(f[42:], number)
		copy(f[46:], pattern(number, len(f)-46))
		a.inject(bare, f)
		w.pass(20 * time.Millisecond)
		s.take(b.device.Frames())
	}
	w.pass(2 * time.Second)
	s.take(b.device.Frames())
	share := float64(s.bytes) / float64(rounds*each)
	singles := 0
	for number := range s.numbers {
		if number%3 < 2 {
			singles++
		}
	}
	got := float64(singles) / (2 * rounds)
	w.t.Logf("%.4f of super-frames (%d came), %.4f of small frames, %d of %d jumbo; mtu %d; drops %v",
		share, s.supers, got, len(s.numbers)-singles, rounds, a.peer(b).Path.MTU, b.counts(a).Drops)
	if share < super || got < small {
		w.t.Errorf("%.4f of the bytes of super-frames and %.4f of small frames arrive, want %g and %g",
			share, got, super, small)
	}
}
