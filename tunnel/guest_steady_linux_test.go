package tunnel

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// stillGuest is a guest of a node that does not run, with a sink for a device and station 2's address.
func stillGuest(t testing.TB, s *segment) (*uplink, *sinkDevice) {
	t.Helper()
	dev := &sinkDevice{last: make([]byte, 0, tundev.BufLen)}
	g, err := s.admitGuest(control.GuestRequest{Name: "guest"}, func(o tundev.Options) (tundev.Device, error) {
		dev.Device = tundevtest.NewWith(o, tundev.Offloads{Csum: true, TSO: true, USO: true})
		return dev, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return newUplink(g.jack), dev
}

// TestGuestAllocatesNothing sends frames and super-frames from a guest to the device, and from the device
// and a VTEP to the guest.
func TestGuestAllocatesNothing(t *testing.T) {
	s, dev, v := stillNode(t)
	up, guest := stillGuest(t, s)
	toDevice, toGuest := tcpFrame(1, 60000, true), tcpFrame(1, 60000, true)
	mac, own := guest.MAC(), s.mac
	copy(toDevice, slices.Concat(own[:], mac[:]))
	copy(toGuest, mac[:])
	var train []byte
	for i := range 40 {
		train = append(train, make([]byte, vxlan.HeaderLen)...)
		vxlan.PutHeader(train[len(train)-vxlan.HeaderLen:], 7)
		f := tcpFrame(uint32(1400*i), 1400, false)
		copy(f, mac[:])
		f[11] = 9 // another station, which is behind the VTEP
		train = append(train, f...)
	}
	d := newDownlink(s.node, s.node.sockets.listening[0])
	dg := udp.Datagram{Data: make([]byte, len(train)), SegmentSize: vxlan.HeaderLen + 1454, From: v.remote}
	allocs := testing.AllocsPerRun(100, func() {
		up.put(superHeader(), toDevice)
		up.out.flush()
		s.up.put(superHeader(), toGuest)
		s.up.out.flush()
		copy(dg.Data, train)
		d.in.now = s.node.now()
		d.split(&dg)
		d.in.flush()
	})
	if allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
	if dev.frames != 101 || guest.frames != 202 {
		t.Errorf("the device got %d frames, the guest %d, want 101 and 202", dev.frames, guest.frames)
	}
}

// TestGuestTooBig: a packet of a guest that does not fit the path to a VTEP is answered to the guest.
func TestGuestTooBig(t *testing.T) {
	s, dev, v := stillNode(t)
	up, guest := stillGuest(t, s)
	v.path.Store(&route{state: control.VTEPOK, mtu: 1000})
	f, mac := tcpFrame(1, 1400, false), guest.MAC()
	copy(f[6:], mac[:])
	up.put(offload.Header{}, f)
	up.out.flush()
	if string(dev.last) != string(f) || guest.frames != 1 { // nobody knows who it is for
		t.Fatalf("the device got % x, the guest %d frames", dev.last, guest.frames)
	}
	if b := guest.last; b[23] != ether.ProtoICMP || b[34] != 3 || b[35] != 4 || [2]byte(b[40:]) != [2]byte{1000 >> 8, 1000 & 0xff} {
		t.Errorf("the answer is % x, want ICMP 3, 4 with an MTU of 1000 (RFC 1191, 4)", b)
	}
}

// TestFreeHosts goes round the subnet once, and leaves out network, first host, broadcast and what is taken.
func TestFreeHosts(t *testing.T) {
	taken := map[netip.Addr]bool{netip.MustParseAddr("10.0.0.5"): true}
	for subnet, want := range map[string][]string{
		"10.0.0.0/29": {"10.0.0.4/29", "10.0.0.6/29", "10.0.0.2/29", "10.0.0.3/29"},
		"10.0.0.4/30": {"10.0.0.6/30"},
		"10.0.0.4/31": nil,
		"10.0.0.4/32": nil,
	} {
		var got []string
		for p := range freeHosts(netip.MustParsePrefix(subnet), ether.MAC{5: 2}, taken) {
			got = append(got, p.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", subnet, got, want)
		}
	}
	n := 0
	for range freeHosts(netip.MustParsePrefix("10.0.0.0/8"), ether.MAC{0xfe, 1, 2, 3, 4, 5}, taken) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d hosts of a /8", n)
	}
}
