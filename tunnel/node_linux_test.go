package tunnel_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// Whole nodes with devices in memory and sockets on the loopback. Linux has all of 127.0.0.0/8
// there, so every node and every VTEP of a test gets an address of its own:
//
//	device - node 127.x.y.1 --+-- 127.x.y.2 VTEP (a plain socket, or another node)
//	                          +-- 127.x.y.3 VTEP

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// deadline is how long anything may take before it counts as not happening.
const deadline = 10 * time.Second

// A network is the underlay of one test.
type network struct {
	t    testing.TB
	base [4]byte
	port uint16
}

func newNetwork(t testing.TB) *network {
	r := rand.Uint32()
	return &network{
		t: t, base: [4]byte{127, byte(1 + r%250), byte(r >> 8)}, port: uint16(20000 + r>>16%20000),
	}
}

// addr is the address of a host; all listen on the same port.
func (w *network) addr(host byte) netip.AddrPort {
	a := w.base
	a[3] = host
	return netip.AddrPortFrom(netip.AddrFrom4(a), w.port)
}

// mac is the address of a station.
func mac(i byte) ether.MAC { return ether.MAC{2, 0, 0, 0, 0, i} }

// frame is an Ethernet frame that is not IP.
func frame(dst, src ether.MAC, body string) []byte {
	f := append(append([]byte(nil), dst[:]...), src[:]...)
	return append(append(f, 0x88, 0xb5), body...) // an EtherType for experiments
}

// A node is a running node and its devices.
type node struct {
	*tunnel.Node
	t       testing.TB
	options tunnel.Options
	devices map[string]*tundevtest.Device
	stop    func() error
}

// segment is a segment whose device is mac 0x10 + host.
func (w *network) segment(host byte, vni uint32, remotes ...netip.AddrPort) tunnel.SegmentOptions {
	return tunnel.SegmentOptions{
		VNI:    vni,
		Device: tunnel.DeviceOptions{Name: fmt.Sprintf("none%d", vni), MTU: 1450, MAC: mac(0x10 + host)},
		FDB:    bridge.Options{Learn: true, Ageing: 5 * time.Minute},
		Plain: tunnel.PlainOptions{
			Remotes: remotes, Local: w.addr(host).Addr(), Outer: vxlan.Outer{TTL: 64}, Flood: true,
		},
	}
}

// node starts a node that is stopped when the test ends.
func (w *network) node(host byte, segments ...tunnel.SegmentOptions) *node {
	w.t.Helper()
	n := &node{t: w.t, devices: make(map[string]*tundevtest.Device)}
	n.options = tunnel.Options{
		Name: fmt.Sprint("node", host), Listen: []netip.AddrPort{w.addr(host)}, Segments: segments,
		OpenDevice: func(o tundev.Options) (tundev.Device, error) {
			return n.open(tundevtest.NewWith(o, tundev.Offloads{Csum: true, TSO: true, USO: true})), nil
		},
	}
	return n.start()
}

func (n *node) open(d *tundevtest.Device) tundev.Device {
	n.devices[d.Name()] = d
	return d
}

// start runs the node until the test ends, which it must do without an error and in time.
func (n *node) start() *node {
	n.t.Helper()
	var err error
	if n.Node, err = tunnel.New(n.options); err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	n.stop = func() error {
		cancel()
		select {
		case err := <-done:
			done <- err
			return err
		case <-time.After(deadline):
			return errors.New("the node did not stop")
		}
	}
	n.t.Cleanup(func() {
		if err := n.stop(); err != nil {
			n.t.Error(err)
		}
	})
	return n
}

// device is the only one, or that of a VNI.
func (n *node) device(vni uint32) *tundevtest.Device { return n.devices[fmt.Sprintf("none%d", vni)] }

// send has the device of a segment give frames to the node.
func (n *node) send(vni uint32, frames ...[]byte) {
	n.t.Helper()
	for _, f := range frames {
		if err := n.device(vni).Inject(offload.Header{}, f); err != nil {
			n.t.Fatal(err)
		}
	}
}

// next is the next frame that the node gives to the device.
func (n *node) next(vni uint32) tundevtest.Frame {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	f, err := n.device(vni).Next(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	return f
}

// expect wants exactly these frames next, finished.
func (n *node) expect(vni uint32, frames ...[]byte) {
	n.t.Helper()
	for i, want := range frames {
		if got := n.next(vni); string(got.Bytes) != string(want) || got.Header != (offload.Header{}) {
			n.t.Fatalf("frame %d is %+v % x, want % x", i, got.Header, got.Bytes, want)
		}
	}
}

// stats are the counters of a segment.
func (n *node) stats(vni uint32) control.SegmentStats {
	for _, s := range n.Stats().Segments {
		if s.VNI == vni {
			return s
		}
	}
	return control.SegmentStats{}
}

// drops are all drops of the node together: of its segments and, of what belongs to none, of its
// sockets.
func (n *node) drops() map[string]uint64 {
	all := make(map[string]uint64)
	add := func(c control.Counts) {
		for reason, count := range c {
			all[reason] += count
		}
	}
	st := n.Stats()
	for _, s := range st.Segments {
		add(s.Drops)
	}
	for _, s := range st.Sockets {
		add(s.Drops)
	}
	return all
}

// dropped waits until the drops are these and no others.
func (n *node) dropped(want map[string]uint64) {
	n.t.Helper()
	eventually(n.t, func() bool { return maps.Equal(n.drops(), want) },
		func() string { return fmt.Sprintf("drops are %v, want %v", n.drops(), want) })
}

// entry finds an address in the FDB of the only segment.
func (n *node) entry(m ether.MAC) (control.FDBEntry, bool) {
	for _, e := range n.FDB(control.FDBFilter{}).Entries {
		if e.MAC == m {
			return e, true
		}
	}
	return control.FDBEntry{}, false
}

// eventually polls a condition until it holds.
func eventually(t testing.TB, ok func() bool, otherwise func() string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for late := time.After(deadline); !ok(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal(otherwise())
		}
	}
}

// A vtep is a VTEP without anything behind it: the test sends and reads its datagrams.
type vtep struct {
	t    testing.TB
	conn *net.UDPConn
	addr netip.AddrPort
}

func (w *network) vtep(host byte) *vtep {
	w.t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(w.addr(host)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if err := c.SetReadBuffer(1 << 20); err != nil {
		w.t.Fatal(err)
	}
	return &vtep{t: w.t, conn: c, addr: w.addr(host)}
}

// raw sends datagrams as they are.
func (v *vtep) raw(to netip.AddrPort, datagrams ...[]byte) {
	v.t.Helper()
	for _, d := range datagrams {
		if _, err := v.conn.WriteToUDPAddrPort(d, to); err != nil {
			v.t.Fatal(err)
		}
	}
}

// send sends frames with a header.
func (v *vtep) send(to netip.AddrPort, vni uint32, frames ...[]byte) {
	v.t.Helper()
	for _, f := range frames {
		v.raw(to, encap(vni, f))
	}
}

func encap(vni uint32, f []byte) []byte {
	b := make([]byte, vxlan.HeaderLen, vxlan.HeaderLen+len(f))
	vxlan.PutHeader(b, vni)
	return append(b, f...)
}

// next is the next frame the VTEP gets, and from where.
func (v *vtep) next(vni uint32) ([]byte, netip.AddrPort) {
	v.t.Helper()
	b := make([]byte, 1<<16)
	if err := v.conn.SetReadDeadline(time.Now().Add(deadline)); err != nil {
		v.t.Fatal(err)
	}
	n, from, err := v.conn.ReadFromUDPAddrPort(b)
	if err != nil {
		v.t.Fatal(err)
	}
	if n < vxlan.HeaderLen || binary.BigEndian.Uint64(b) != 0x08<<56|uint64(vni)<<8 {
		v.t.Fatalf("not a datagram of VNI %d: % x", vni, b[:n])
	}
	return b[vxlan.HeaderLen:n], from
}

// expect wants exactly these frames next.
func (v *vtep) expect(vni uint32, frames ...[]byte) {
	v.t.Helper()
	for i, want := range frames {
		if got, _ := v.next(vni); string(got) != string(want) {
			v.t.Fatalf("frame %d at %s is % x, want % x", i, v.addr, got, want)
		}
	}
}
