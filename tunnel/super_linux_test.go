package tunnel_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
)

// tcpSuper is a TCP super-frame with a partial checksum, from station src to dst, and its metadata.
func tcpSuper(t testing.TB, dst, src byte, payload []byte, size uint16) (offload.Header, []byte) {
	f := ipv4Frame(t, dst, src, "00", 40+len(payload))
	f[23] = ether.ProtoTCP
	copy(f[34:], unhex(t, "03e8 1389 00000001 00000002 5018 01f6 0000 0000"))
	copy(f[54:], payload)
	ether.PutIPv4Checksum(f[14:])
	ip, _ := ether.ParseIP(f)
	binary.BigEndian.PutUint16(f[50:], ip.PseudoSum(f, ether.ProtoTCP, 20+len(payload)))
	return offload.Header{
		Flags: offload.NeedsCsum, GSOType: offload.GSOTCPv4, HdrLen: 54, GSOSize: size,
		CsumStart: 34, CsumOffset: 16,
	}, f
}

// counting is n bytes that differ from their neighbours far and near.
func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i*7)
	}
	return b
}

// cutUp is what a super-frame has to be on the wire.
func cutUp(t testing.TB, h offload.Header, f []byte) (frames [][]byte) {
	t.Helper()
	var s offload.Segmenter
	if err := s.Start(h, f); err != nil {
		t.Fatal(err)
	}
	for range s.Count() {
		b := make([]byte, s.Len())
		frames = append(frames, b[:s.Next(b)])
	}
	return frames
}

// TestSuperFramesOut has supers of many sizes read in one go, so that they fill the arena in every
// way: each arrives at both VTEPs as the frames it stands for.
func TestSuperFramesOut(t *testing.T) {
	for _, sizes := range [][]int{
		{64000},
		{1401},
		{1400, 65000, 1},
		{65000, 65000, 65000},
		{64000, 30000, 64000, 64000, 100, 64000},
		{65000, 33000, 65495, 65495},
		{65495, 31000, 3000, 65495},
	} {
		w := newNetwork(t)
		one, two := w.vtep(2), w.vtep(3)
		n := w.node(1, w.segment(1, 7, one.addr, two.addr))
		for i, size := range sizes {
			h, f := tcpSuper(t, 9, 1, counting(size), 1400)
			f[18] = byte(i)
			ether.PutIPv4Checksum(f[14:])
			if err := n.device(7).Inject(h, f); err != nil {
				t.Fatal(err)
			}
		}
		total := uint64(0)
		for i, size := range sizes {
			h, f := tcpSuper(t, 9, 1, counting(size), 1400)
			f[18] = byte(i)
			ether.PutIPv4Checksum(f[14:])
			want := cutUp(t, h, f)
			one.expect(7, want...)
			two.expect(7, want...)
			total += 2 * uint64(len(want))
		}
		eventually(t, func() bool { return n.stats(7).TxFrames == total },
			func() string { return "not everything was counted" })
		n.dropped(nil)
	}
}

// TestUDPTrainOut has 13,000 bytes of UDP become exactly ten datagrams of 1300.
func TestUDPTrainOut(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	n := w.node(1, w.segment(1, 7, v.addr))
	f := ipv4Frame(t, 2, 1, "00", 28+13000)
	copy(f[42:], counting(13000))
	ip, _ := ether.ParseIP(f)
	binary.BigEndian.PutUint16(f[40:], ip.PseudoSum(f, ether.ProtoUDP, 8+13000))
	h := offload.Header{
		Flags: offload.NeedsCsum, GSOType: offload.GSOUDPL4, GSOSize: 1300, CsumStart: 34, CsumOffset: 6,
	}
	want := cutUp(t, h, f)
	if err := n.device(7).Inject(h, f); err != nil {
		t.Fatal(err)
	}
	v.expect(7, want...)
	if len(want) != 10 {
		t.Errorf("%d datagrams", len(want))
	}
}

// nodeWith is a node whose device takes only what o says.
func (w *network) nodeWith(host byte, o tundev.Offloads, remote *vtep) *node {
	w.t.Helper()
	n := &node{t: w.t, devices: make(map[string]*tundevtest.Device)}
	n.options.Listen = append(n.options.Listen, w.addr(host))
	n.options.Segments = append(n.options.Segments, w.segment(host, 7, remote.addr))
	n.options.OpenDevice = func(d tundev.Options) (tundev.Device, error) {
		return n.open(tundevtest.NewWith(d, o)), nil
	}
	return n.start()
}

// TestSuperFrameAcross carries a super-frame from node to node: it is cut, sent, merged again and
// handed over as a few large frames that hold the same bytes.
func TestSuperFrameAcross(t *testing.T) {
	w := newNetwork(t)
	a := w.node(1, w.segment(1, 7, w.addr(2)))
	b := w.node(2, w.segment(2, 7, w.addr(1)))
	h, f := tcpSuper(t, 2, 1, counting(60000), 1400)
	want := cutUp(t, h, f)
	if err := a.device(7).Inject(h, f); err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	supers := 0
	for len(got) < len(want) {
		g := b.next(7)
		if !g.Header.IsSuper() {
			got = append(got, g.Bytes)
			continue
		}
		supers++
		got = append(got, cutUp(t, g.Header, g.Bytes)...)
	}
	if !slices.EqualFunc(got, want, func(x, y []byte) bool { return bytes.Equal(unnumbered(x), unnumbered(y)) }) {
		t.Errorf("%d frames came out, other than the %d that were sent", len(got), len(want))
	}
	if supers == 0 {
		t.Errorf("%d frames, and no super-frame among them", len(got))
	}
}

// unnumbered is a frame without its identification, which means nothing when DF is set.
func unnumbered(f []byte) []byte {
	f = bytes.Clone(f)
	f[18], f[19], f[24], f[25] = 0, 0, 0, 0
	return f
}

// TestPlainDevice gives a device without offloads finished frames only: of a run that could be
// merged, of a super-frame that came in one datagram, and of a frame whose checksum was left
// partial.
func TestPlainDevice(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	n := w.nodeWith(1, tundev.Offloads{}, v)
	h, f := tcpSuper(t, 1, 2, counting(20000), 1400)
	run := cutUp(t, h, f)
	v.send(w.addr(1), 7, run...)
	n.expect(7, run...)

	h.GSOSize = 1450 - 40 // as the device's MTU has it
	v.send(w.addr(1), 7, f)
	n.expect(7, cutUp(t, h, f)...)

	h, f = tcpSuper(t, 1, 2, counting(100), 1400)
	v.send(w.addr(1), 7, f)
	if err := offload.Complete(h, f); err != nil {
		t.Fatal(err)
	}
	n.expect(7, f)
	n.dropped(nil)
}

// TestWholeSuperFrame hands over a super-frame that came in one datagram, with what is left to do.
func TestWholeSuperFrame(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	n := w.node(1, w.segment(1, 7, v.addr))
	h, f := tcpSuper(t, 1, 2, counting(20000), 1410)
	v.send(w.addr(1), 7, f)
	if got := n.next(7); got.Header != h || !bytes.Equal(got.Bytes, f) {
		t.Errorf("%+v, want %+v", got.Header, h)
	}
}
