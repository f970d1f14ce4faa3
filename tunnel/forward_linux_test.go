package tunnel_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// TestTwoNodes has stations behind two nodes find each other.
func TestTwoNodes(t *testing.T) {
	w := newNetwork(t)
	a := w.node(1, w.segment(1, 7, w.addr(2)))
	b := w.node(2, w.segment(2, 7, w.addr(1)))
	question := frame(ether.Broadcast, mac(1), "who is there")
	answer := frame(mac(1), mac(2), "I am")
	a.send(7, question)
	b.expect(7, question)
	b.send(7, answer)
	a.expect(7, answer)
	for range 100 {
		a.send(7, frame(mac(2), mac(1), "to you"))
	}
	for range 100 {
		b.expect(7, frame(mac(2), mac(1), "to you"))
	}
	if e, ok := a.entry(mac(2)); !ok || e.Port.Kind != control.PortVTEP || e.Kind != control.EntryLearned {
		t.Errorf("%s is behind %+v", mac(2), e)
	}
	if e, ok := b.entry(mac(2)); !ok || e.Port.Kind != control.PortDevice {
		t.Errorf("%s is behind %+v", mac(2), e)
	}
	length := uint64(len(question) + 100*len(frame(mac(2), mac(1), "to you")))
	eventually(t, func() bool { return a.stats(7).TxFrames == 101 }, func() string { return fmt.Sprint(a.stats(7)) })
	eventually(t, func() bool { return b.stats(7).TxFrames == 1 }, func() string { return fmt.Sprint(b.stats(7)) })
	st, back := a.stats(7), b.stats(7)
	if st.TxBytes != length || st.FloodedFrames != 1 || st.RxFrames != 1 || st.RxBytes != uint64(len(answer)) {
		t.Errorf("a: %+v", st)
	}
	if back.RxFrames != 101 || back.RxBytes != length || back.TxFrames != 1 || back.FloodedFrames != 0 {
		t.Errorf("b: %+v", back)
	}
	a.dropped(nil)
	b.dropped(nil)
}

// TestFloodAndStatic sends 10 frames to nobody, to each VTEP and to the device itself and counts
// where they arrive; a last frame for everybody shows that nothing else came.
func TestFloodAndStatic(t *testing.T) {
	w := newNetwork(t)
	vteps := []*vtep{w.vtep(2), w.vtep(3), w.vtep(4)}
	o := w.segment(1, 7, vteps[0].addr, vteps[1].addr, vteps[2].addr)
	for i, v := range vteps {
		o.Static = append(o.Static, tunnel.StaticEntry{MAC: mac(byte(2 + i)), VTEP: v.addr})
	}
	n := w.node(1, o)
	last := frame(ether.Broadcast, mac(1), "last")
	for name, c := range map[string]struct {
		dst  ether.MAC
		want [3]int
	}{
		"unknown":   {mac(99), [3]int{10, 10, 10}},
		"broadcast": {ether.Broadcast, [3]int{10, 10, 10}},
		"multicast": {ether.MAC{1, 0, 0x5e, 0, 0, 1}, [3]int{10, 10, 10}},
		"first":     {mac(2), [3]int{10, 0, 0}},
		"second":    {mac(3), [3]int{0, 10, 0}},
		"third":     {mac(4), [3]int{0, 0, 10}},
		"device":    {mac(1), [3]int{}},
	} {
		f := frame(c.dst, mac(1), name)
		for range 10 {
			n.send(7, f)
		}
		n.send(7, last)
		for i, v := range vteps {
			for range c.want[i] {
				v.expect(7, f)
			}
			v.expect(7, last)
		}
	}
	n.dropped(map[string]uint64{"same_port": 10})
	eventually(t, func() bool { return n.stats(7).FloodedFrames == 37 && n.stats(7).TxFrames == 3*37+30 },
		func() string { return fmt.Sprintf("%+v", n.stats(7)) })
}

// TestDeadRemote has a remote that cannot be sent to in the middle of others.
func TestDeadRemote(t *testing.T) {
	w := newNetwork(t)
	first, last := w.vtep(2), w.vtep(4)
	dead := netip.AddrPortFrom(w.addr(3).Addr(), 0)
	n := w.node(1, w.segment(1, 7, first.addr, dead, last.addr))
	var frames [][]byte
	for i := range 50 {
		frames = append(frames, frame(ether.Broadcast, mac(1), fmt.Sprint(i)))
	}
	n.send(7, frames...)
	first.expect(7, frames...)
	last.expect(7, frames...)
	n.dropped(map[string]uint64{"send_error": 50})
}

// TestSplitHorizon has three VTEPs: what one sends reaches the device and never another VTEP.
func TestSplitHorizon(t *testing.T) {
	w := newNetwork(t)
	one, two := w.vtep(2), w.vtep(3)
	n := w.node(1, w.segment(1, 7, one.addr, two.addr))
	to := w.addr(1)
	for _, f := range [][]byte{
		frame(ether.Broadcast, mac(2), "for all"), frame(mac(99), mac(2), "for nobody known"),
		frame(mac(0x11), mac(2), "for the device"),
	} {
		one.send(to, 7, f)
		n.expect(7, f)
	}
	two.send(to, 7, frame(mac(2), mac(3), "for a station of the other"))
	n.dropped(map[string]uint64{"split_horizon": 1})
	one.send(to, 7, frame(mac(2), mac(4), "for a station of its own"))
	n.dropped(map[string]uint64{"split_horizon": 1, "same_port": 1})
	last := frame(ether.Broadcast, mac(1), "last")
	n.send(7, last)
	one.expect(7, last)
	two.expect(7, last)
}

// TestMove has a station move from one VTEP to another and then to the device.
func TestMove(t *testing.T) {
	w := newNetwork(t)
	one, two := w.vtep(2), w.vtep(3)
	n := w.node(1, w.segment(1, 7, one.addr, two.addr))
	hello := frame(ether.Broadcast, mac(5), "hello")
	reply := frame(mac(5), mac(1), "reply")
	for _, v := range []*vtep{one, two, one} {
		v.send(w.addr(1), 7, hello)
		n.expect(7, hello)
		n.send(7, reply)
		v.expect(7, reply)
	}
	n.send(7, hello)
	one.expect(7, hello)
	two.expect(7, hello)
	if e, ok := n.entry(mac(5)); !ok || e.Port.Kind != control.PortDevice || e.Moves != 3 {
		t.Errorf("%+v", e)
	}
}

// TestVLANs keeps an address of two VLANs behind two VTEPs apart, and every tag as it is.
func TestVLANs(t *testing.T) {
	w := newNetwork(t)
	one, two := w.vtep(2), w.vtep(3)
	n := w.node(1, w.segment(1, 7, one.addr, two.addr))
	tagged := func(dst, src ether.MAC, vid byte) []byte {
		f := append(append([]byte(nil), dst[:]...), src[:]...)
		return append(f, 0x81, 0, 0xe0, vid, 0x88, 0xb5, 'x')
	}
	for vid, v := range map[byte]*vtep{5: one, 6: two} {
		hello := tagged(ether.Broadcast, mac(5), vid)
		v.send(w.addr(1), 7, hello)
		n.expect(7, hello)
	}
	n.send(7, tagged(mac(5), mac(1), 5), tagged(mac(5), mac(1), 6), tagged(mac(5), mac(1), 7))
	one.expect(7, tagged(mac(5), mac(1), 5), tagged(mac(5), mac(1), 7))
	two.expect(7, tagged(mac(5), mac(1), 6), tagged(mac(5), mac(1), 7))
}

// TestSegments has two VNIs with the same stations on one socket.
func TestSegments(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	n := w.node(1, w.segment(1, 7, v.addr), w.segment(1, 0xffffff, v.addr))
	for _, vni := range []uint32{7, 0xffffff} {
		f := frame(ether.Broadcast, mac(2), fmt.Sprint(vni))
		v.send(w.addr(1), vni, f)
		n.expect(vni, f)
		n.send(vni, f)
		v.expect(vni, f)
	}
	for _, vni := range []uint32{7, 0xffffff} {
		if left := n.device(vni).Frames(); len(left) > 0 {
			t.Errorf("VNI %d got %q", vni, left[0].Bytes)
		}
	}
}

// TestLearnVTEPs has a source that is not listed: admitted where that is allowed, and answered on
// the port we listen on.
func TestLearnVTEPs(t *testing.T) {
	w := newNetwork(t)
	listed, stranger := w.vtep(2), w.vtep(3)
	o := w.segment(1, 7, listed.addr)
	o.Plain.LearnVTEPs = true
	n := w.node(1, o)
	hello := frame(ether.Broadcast, mac(3), "hello")
	stranger.send(w.addr(1), 7, hello)
	n.expect(7, hello)
	everybody, reply := frame(ether.Broadcast, mac(1), "all"), frame(mac(3), mac(1), "you")
	n.send(7, everybody, reply)
	stranger.expect(7, reply) // what is for everybody goes to the listed ones only
	listed.expect(7, everybody)

	o.Plain.LearnVTEPs = false
	options := n.options
	options.Segments = []tunnel.SegmentOptions{o}
	if err := n.Apply(options); err != nil {
		t.Fatal(err)
	}
	stranger.send(w.addr(1), 7, hello)
	n.dropped(map[string]uint64{"vtep_unknown": 1})
	n.send(7, reply)
	listed.expect(7, reply)
}

// TestLimits has more stations than may be learned: their frames pass all the same.
func TestLimits(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	o := w.segment(1, 7, v.addr)
	o.FDB = bridge.Options{Learn: true, MaxEntries: 8, MaxPerPort: 5}
	n := w.node(1, o)
	for i := range byte(20) {
		f := frame(ether.Broadcast, mac(100+i), "x")
		v.send(w.addr(1), 7, f)
		n.expect(7, f)
		n.send(7, frame(ether.Broadcast, mac(150+i), "x"))
		v.next(7)
	}
	st := n.stats(7)
	if st.FDB.Entries != 8 || st.FDB.PortFull+st.FDB.TableFull != 40-7 || st.FDB.TableFull == 0 || st.FDB.Learned != 7 {
		t.Errorf("%+v", st.FDB)
	}
	n.dropped(nil)
}

// TestFDBChanges pins, refuses, deletes and flushes.
func TestFDBChanges(t *testing.T) {
	w := newNetwork(t)
	one, two := w.vtep(2), w.vtep(3)
	n := w.node(1, w.segment(1, 7, one.addr))
	pin := control.FDBAdd{MAC: mac(9), Port: two.addr.String()} // not listed: gets what is for it only
	if r, err := n.AddFDB(pin); err != nil || r.VNI != 7 || r.Added != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	f := frame(mac(9), mac(1), "pinned")
	n.send(7, f)
	two.expect(7, f)
	pin.Port = one.addr.String()
	if _, err := n.AddFDB(pin); control.AsError(err) == nil || control.AsError(err).Code != control.CodeConflict {
		t.Errorf("pinned twice: %v", err)
	}
	pin.MAC = mac(0x11)
	if _, err := n.AddFDB(pin); control.AsError(err) == nil || control.AsError(err).Code != control.CodeConflict {
		t.Errorf("our own address pinned elsewhere: %v", err)
	}
	if r, err := n.FlushFDB(control.FDBFlush{All: true}); err != nil || r.Removed != 1 {
		t.Errorf("flush: %+v, %v", r, err) // the source above; what is pinned stays
	}
	if r, err := n.DelFDB(control.FDBDel{MAC: mac(9)}); err != nil || r.Removed != 1 {
		t.Errorf("delete: %+v, %v", r, err)
	}
	for name, err := range map[string]error{
		"gone":     second(n.DelFDB(control.FDBDel{MAC: mac(9)})),
		"local":    second(n.DelFDB(control.FDBDel{MAC: mac(0x11)})),
		"no port":  second(n.FlushFDB(control.FDBFlush{Port: "192.0.2.1"})),
		"no vni":   second(n.AddFDB(control.FDBAdd{VNI: 8, MAC: mac(9), Port: "device"})),
		"bad port": second(n.AddFDB(control.FDBAdd{MAC: mac(9), Port: "nobody"})),
	} {
		if e := control.AsError(err); e == nil || e.Code != control.CodeNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	n.send(7, f)
	one.expect(7, f)
}

func second(_ control.FDBResult, err error) error { return err }
