package tunnel_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// vteps are those of the only segment, by name.
func (n *node) vteps() map[string]control.VTEP {
	all := make(map[string]control.VTEP)
	for _, v := range n.Status().Segments[0].VTEPs {
		all[v.Remote] = v
	}
	return all
}

// TestManyUnlistedSources hears from more addresses than are remembered. What is learned stays
// within its bound, and the listed VTEP is still heard behind all of them.
func TestManyUnlistedSources(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	s := w.segment(1, 7, v.addr)
	s.Plain.LearnVTEPs = true
	n := w.node(1, s)
	for i := range uint32(1024) {
		a := w.base
		binary.BigEndian.PutUint16(a[2:], uint16(w.base[2]^0x80)<<8+uint16(i)) // far from the listed one
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: a[:]})
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, vxlan.HeaderLen)
		vxlan.PutHeader(b, 7)
		src := ether.MACFromUint64(0x020001000000 + uint64(i))
		_, err = conn.WriteToUDPAddrPort(append(b, frame(mac(0x11), src, "x")...), w.addr(1))
		conn.Close()
		if err != nil {
			t.Fatal(err)
		}
		n.next(7) // one after the other, or the socket's buffer overflows
	}
	v.send(w.addr(1), 7, frame(mac(0x11), mac(9), "still heard"))
	n.expect(7, frame(mac(0x11), mac(9), "still heard"))
	if got := len(n.vteps()); got != 1025 {
		t.Errorf("%d VTEPs, want the listed one and 1024 learned", got)
	}
	last := w.base
	last[2] ^= 0x40
	late := &net.UDPAddr{IP: last[:]}
	conn, err := net.ListenUDP("udp4", late)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := make([]byte, vxlan.HeaderLen)
	vxlan.PutHeader(b, 7)
	if _, err := conn.WriteToUDPAddrPort(append(b, frame(mac(0x11), mac(8), "x")...), w.addr(1)); err != nil {
		t.Fatal(err)
	}
	n.dropped(map[string]uint64{"vtep_unknown": 1})
}

// TestRemoteIsSelf: a list of remotes that was copied to every host names this one too. It is said,
// and nothing is sent there; the same address with another port is somebody else.
func TestRemoteIsSelf(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	neighbour := netip.AddrPortFrom(w.addr(1).Addr(), w.port+1)
	n := w.node(1, w.segment(1, 7, w.addr(1), neighbour, v.addr))
	vteps := n.vteps()
	for a, want := range map[netip.AddrPort]control.VTEPState{
		w.addr(1): control.VTEPLoop, neighbour: control.VTEPOK, v.addr: control.VTEPOK,
	} {
		if got := vteps[a.String()]; got.State != want {
			t.Errorf("%s is %s: %s", a, got.State, got.Reason)
		}
	}
	if st := n.Status(); st.State != control.StateDegraded || len(st.Warnings) != 1 {
		t.Errorf("%s, %v", st.State, st.Warnings)
	}
	f := frame(ether.Broadcast, mac(1), "x")
	n.send(7, f)
	v.expect(7, f)
	n.dropped(map[string]uint64{"loop": 1})
}

// TestPinnedVTEP: an address that is no VTEP becomes one by a pinned entry, if it can be one at all,
// and goes with it.
func TestPinnedVTEP(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	n := w.node(1, w.segment(1, 7, w.addr(3)))
	for _, port := range []string{
		"255.255.255.255", "0.0.0.0", "239.1.1.1", "192.0.2.2:0", "fe80::1%nope", "2001:db8::1", "nas",
	} {
		_, err := n.AddFDB(control.FDBAdd{MAC: mac(2), Port: port})
		if err == nil || len(n.vteps()) != 1 {
			t.Errorf("%s: %v, %v", port, err, n.vteps())
		}
	}
	mapped := "[::ffff:" + v.addr.Addr().String() + "]:" + fmt.Sprint(w.port)
	if _, err := n.AddFDB(control.FDBAdd{MAC: mac(2), Port: mapped}); err != nil {
		t.Fatal(err)
	}
	if got := n.vteps()[v.addr.String()]; got.Kind != control.VTEPPinned {
		t.Errorf("%+v", n.vteps())
	}
	_, err := n.AddFDB(control.FDBAdd{MAC: mac(2), Port: w.addr(4).String()})
	if e, ok := errors.AsType[*control.Error](err); !ok || e.Code != control.CodeConflict || len(n.vteps()) != 2 {
		t.Errorf("a second place for one address: %v, %v", err, n.vteps())
	}
	f := frame(mac(2), mac(1), "pinned")
	n.send(7, f)
	v.expect(7, f)
	if _, err := n.DelFDB(control.FDBDel{MAC: mac(2)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(n.vteps()) == 1 },
		func() string { return fmt.Sprintf("still there: %v", n.vteps()) })
}

// TestApplyTakesTheDevice gives a segment another VNI: the new one gets the old one's device. A name
// that a segment keeps is refused, and a failure brings the old one back.
func TestApplyTakesTheDevice(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	old, kept := w.segment(1, 7, v.addr), w.segment(1, 8, v.addr)
	n := w.node(1, old, kept)
	next := old
	next.VNI = 9
	bad := w.segment(1, 10, v.addr)
	bad.Device.Name = kept.Device.Name
	if err := n.apply(next, kept, bad); err == nil {
		t.Fatal("two segments have one device")
	}
	f := frame(ether.Broadcast, mac(1), "x")
	n.send(7, f)
	v.expect(7, f)
	if err := n.apply(next, kept); err != nil {
		t.Fatal(err)
	}
	n.send(7, f) // the device has kept its name
	v.expect(9, f)
}
