package tunnel_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// A switchbox is a plain VTEP in a world: the test sends and reads its frames.
type switchbox struct {
	w    *world
	i    int
	conn udp.Conn
	addr netip.AddrPort

	mu     sync.Mutex // guards the rest
	frames [][]byte
}

// switchbox makes the i-th VTEP, 198.51.100.i:4789.
func (w *world) switchbox(i int) *switchbox {
	w.t.Helper()
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), vxlan.Port)
	conn, err := w.net.Host(addr.Addr()).Listen(addr, udp.Options{Buffer: 1 << 20})
	if err != nil {
		w.t.Fatal(err)
	}
	v := &switchbox{w: w, i: i, conn: conn, addr: addr}
	go v.run()
	return v
}

func (v *switchbox) run() {
	reader := v.conn.NewReader()
	for {
		batch, err := reader.Read(true)
		if err != nil {
			return
		}
		v.mu.Lock()
		for _, dg := range batch {
			for _, b := range segments(dg) {
				if binary.BigEndian.Uint64(b) != 0x08<<56|7<<8 {
					v.w.t.Errorf("VTEP %d got % x", v.i, b)
				}
				v.frames = append(v.frames, slices.Clone(b[vxlan.HeaderLen:]))
			}
		}
		v.mu.Unlock()
	}
}

// send sends a frame to a member.
func (v *switchbox) send(to *member, f []byte) {
	b := make([]byte, vxlan.HeaderLen, vxlan.HeaderLen+len(f))
	vxlan.PutHeader(b, 7)
	to4789 := netip.AddrPortFrom(to.addr.Addr(), vxlan.Port)
	v.conn.Write([]udp.Message{{To: to4789, Data: append(b, f...), TTL: 64}}, udp.Mode{})
}

// take gives all frames that have come.
func (v *switchbox) take() [][]byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	defer func() { v.frames = nil }()
	return v.frames
}

func (v *switchbox) bodies() (all []string) {
	for _, f := range v.take() {
		all = append(all, string(f[ether.HeaderLen:]))
	}
	return all
}

// host is the address of a station behind the VTEP.
func (v *switchbox) host() ether.MAC { return ether.MAC{2, 0, 0, 0, 9, byte(v.i)} }

// bridges gives the member a plain leg to VTEPs, beside its peers.
func (m *member) bridges(vteps ...*switchbox) {
	m.options.Listen = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:4789")}
	plain := &m.options.Segments[0].Plain
	plain.Outer, plain.Flood = vxlan.Outer{TTL: 64}, true
	for _, v := range vteps {
		plain.Remotes = append(plain.Remotes, v.addr)
	}
}

// TestMixedSegment has two VTEPs on one side of a node and two peers on the other, that are peers
// of each other as well:
//
//	VTEP 1 --+-- gate ==+== left
//	VTEP 2 --+          +== right
func TestMixedSegment(t *testing.T) {
	simulate(t, 18, func(w *world) {
		one, two := w.switchbox(1), w.switchbox(2)
		gate, left, right := w.add(), w.add(), w.add()
		gate.knows(left, right).bridges(one, two)
		left.knows(gate, right)
		right.knows(gate, left)
		start(gate, left, right)
		w.up(5 * time.Second)
		w.pass(time.Second)
		for _, c := range []struct {
			from func(body string)
			want string // who hears it: V 1, W 2, g l r
		}{
			{func(s string) { one.send(gate, plainFrame(everybody, one.host(), s)) }, "glr"},
			{func(s string) { left.inject(bare, plainFrame(everybody, station(left.i), s)) }, "VWgr"},
			{func(s string) { right.inject(bare, plainFrame(everybody, station(right.i), s)) }, "VWgl"},
			{func(s string) { gate.inject(bare, plainFrame(everybody, station(gate.i), s)) }, "VWlr"},
			{func(s string) { one.send(gate, plainFrame(station(left.i), one.host(), s)) }, "l"},
			{func(s string) { left.inject(bare, plainFrame(one.host(), station(left.i), s)) }, "V"},
			{func(s string) { right.inject(bare, plainFrame(one.host(), station(right.i), s)) }, "V"},
			{func(s string) { two.send(gate, plainFrame(station(gate.i), two.host(), s)) }, "g"},
			// Those two have each other.
			{func(s string) { two.send(gate, plainFrame(one.host(), two.host(), s)) }, ""},
			{func(s string) { left.inject(bare, plainFrame(station(right.i), station(left.i), s)) }, "r"},
		} {
			word := fmt.Sprint(time.Since(w.origin))
			c.from(word)
			w.pass(50 * time.Millisecond)
			heard := ""
			for i, bodies := range [][]string{
				one.bodies(), two.bodies(), gate.bodies(), left.bodies(), right.bodies(),
			} {
				heard += strings.Repeat("VWglr"[i:i+1], count(bodies, word))
			}
			if heard != c.want {
				t.Errorf("heard by %q, want %q", heard, c.want)
			}
		}
		if drops := gate.Stats().Segments[0].Drops; drops["split_horizon"] != 1 || len(drops) != 1 {
			t.Errorf("the gate drops %v", drops)
		}
	})
}

// count is how often a word is among others.
func count(words []string, word string) (n int) {
	for _, w := range words {
		if w == word {
			n++
		}
	}
	return n
}

// TestTooBigThroughTheMesh tells a host behind a peer that its packet does not fit the way from the
// node in between to a VTEP, and takes a super-frame that fits.
func TestTooBigThroughTheMesh(t *testing.T) {
	simulate(t, 19, func(w *world) {
		v := w.switchbox(1)
		gate, far := w.add(), w.add()
		gate.knows(far).bridges(v)
		far.knows(gate)
		start(gate, far)
		w.up(5 * time.Second)
		v.send(gate, plainFrame(everybody, v.host(), "I am here"))
		w.pass(time.Second)
		far.bodies()
		far.inject(bare, ipFrame(v.host(), station(far.i), 1450-28+1))
		w.pass(100 * time.Millisecond)
		got := far.device.Frames()
		const tooBig = 3<<8 | 4 // type and code
		if len(got) != 1 || len(got[0].Bytes) < 42 || got[0].Bytes[23] != ether.ProtoICMP ||
			binary.BigEndian.Uint16(got[0].Bytes[34:]) != tooBig ||
			binary.BigEndian.Uint16(got[0].Bytes[40:]) != 1450 {
			t.Errorf("answers: %+v", got)
		}
		if n := gate.Stats().Segments[0].ICMPTooBig; n != 1 {
			t.Errorf("%d answers", n)
		}
		far.inject(bare, ipFrame(v.host(), station(far.i), 1450-28))
		far.inject(tcpSuperFrame(v.host(), station(far.i), 0, 40000))
		w.pass(100 * time.Millisecond)
		s := newSink(t, 40000)
		for _, f := range v.take() {
			if f[23] == ether.ProtoTCP {
				s.take([]tundevtest.Frame{{Bytes: f}})
			} else if len(f) != 1464 {
				t.Errorf("the VTEP gets %d bytes", len(f))
			}
		}
		if s.bytes != 40000 {
			t.Errorf("the VTEP gets %d bytes of the flow", s.bytes)
		}
	})
}

// TestSuperFramesFromVTEPs carries a TCP flow of a VTEP's through the mesh.
func TestSuperFramesFromVTEPs(t *testing.T) {
	simulate(t, 20, func(w *world) {
		v := w.switchbox(1)
		gate, far := w.add(), w.add()
		gate.knows(far).bridges(v)
		far.knows(gate)
		start(gate, far)
		w.up(5 * time.Second)
		far.inject(bare, plainFrame(everybody, station(far.i), "I am here"))
		w.pass(5 * time.Second)
		h, f := tcpSuperFrame(station(far.i), v.host(), 0, 39*1396)
		h.GSOSize = 1396
		for _, piece := range finished(t, tundevtest.Frame{Header: h, Bytes: f}) {
			v.send(gate, piece)
		}
		w.pass(100 * time.Millisecond)
		s := newSink(t, 39*1396)
		s.take(far.device.Frames())
		if s.bytes != len(s.cover) {
			t.Errorf("%d of %d bytes arrive", s.bytes, len(s.cover))
		}
	})
}
