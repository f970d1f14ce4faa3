//go:build linux && lab

package tundev

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

func TestLabDeviceIsAsAsked(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add br0 type bridge")
	d := n.open(Options{
		Name: "vxm0", MTU: 1400, Bridge: "br0",
		Addresses: prefixes("192.0.2.1/24", "2001:db8::1/64"),
	})
	if d.Name() != "vxm0" || d.MTU() != 1400 || d.MAC() != labMAC || !d.State().Up {
		t.Errorf("device says %s %d %s %+v", d.Name(), d.MTU(), d.MAC(), d.State())
	}
	s := n.show("vxm0")
	if !s.isUp() || s.MTU != 1400 || s.Master != "br0" || s.Address != labMAC.String() {
		t.Errorf("interface is %+v", s)
	}
	if got := s.addrs(); got != "192.0.2.1/24 2001:db8::1/64" {
		t.Errorf("addresses are %s", got)
	}
	for _, a := range s.Addrs {
		if a.Scope == "global" && a.Tentative {
			t.Errorf("%s does not work yet", a.Local)
		}
	}
	if s.GSOMax > 65536 {
		t.Errorf("super-frames have up to %d bytes", s.GSOMax)
	}
	if out, err := n.tryIP("link set vxm0 gso_max_size 100000"); err == nil {
		t.Errorf("anybody can make super-frames larger than the buffer: %s", out)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if n.show("vxm0") != nil {
		t.Error("the interface is there after close")
	}
}

func TestLabUDPSuperFramesSinceLinux62(t *testing.T) {
	n := newNamespace(t)
	got := n.open(Options{Name: "vxm0"}).Offloads()
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	release := unix.ByteSliceToString(uts.Release[:])
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	want := Offloads{Csum: true, TSO: true, USO: major > 6 || major == 6 && minor >= 2}
	if got != want {
		t.Errorf("on Linux %d.%d the offloads are %+v", major, minor, got)
	}
}

func TestLabOpenRefuses(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add veth0 type veth peer name veth1")
	n.ip("tuntap add tun0 mode tun")
	n.open(Options{Name: "held0"})
	for _, c := range []struct {
		name, bridge string
		kind         error
		text         string
	}{
		{"veth0", "", ErrInUse, "cannot create tap device veth0: a veth interface has this name"},
		{"tun0", "", ErrInUse, "cannot create tap device tun0: a tun interface has this name"},
		{"held0", "", ErrInUse, "cannot create tap device held0: another process has it"},
		{"vxm0", "br7", ErrNoBridge, "cannot join bridge br7: there is no such bridge"},
		{
			"vxm0", "veth0", ErrNoBridge,
			"cannot join bridge veth0: it is a veth interface, not a bridge",
		},
	} {
		_, err := n.tryOpen(Options{Name: c.name, Bridge: c.bridge})
		if !errors.Is(err, c.kind) || err.Error() != c.text || len(Hints(err)) == 0 {
			t.Errorf("%s on %q: %v", c.name, c.bridge, err)
		}
	}
	if n.show("vxm0") != nil {
		t.Error("a device was left behind")
	}
}

func TestLabOpenWithoutRights(t *testing.T) {
	n := newNamespace(t)
	want := "cannot create tap device vxm0: operation not permitted"
	if _, said := n.startChild("vxm0", "setpriv", "--bounding-set=-net_admin"); said != want {
		t.Errorf("without the capability: %s", said)
	}
	if _, said := n.startChild(strangerPrefix + "vxm0"); said != want {
		t.Errorf("as somebody who may not open the driver's file: %s", said)
	}
}

func TestLabAdoptsALentDevice(t *testing.T) {
	for _, mode := range []string{"", " multi_queue"} {
		n := newNamespace(t)
		n.ip("link add br0 type bridge")
		n.ip("tuntap add vxm0 mode tap" + mode)
		n.ip("addr add 198.51.100.1/24 dev vxm0")
		index := n.show("vxm0").Index
		d := n.open(Options{
			Name: "vxm0", Bridge: "br0",
			Addresses: prefixes("192.0.2.1/24", "198.51.100.1/24", "2001:db8::1/64"),
		})
		s := n.show("vxm0")
		if s.Index != index || s.Master != "br0" || !s.isUp() || s.Address != labMAC.String() {
			t.Errorf("interface is %+v", s)
		}
		if got := s.addrs(); got != "198.51.100.1/24 192.0.2.1/24 2001:db8::1/64" {
			t.Errorf("addresses are %s", got)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if s = n.show("vxm0"); s == nil || s.Index != index || s.Master != "" {
			t.Fatalf("it is left as %+v", s)
		}
		if got := s.addrs(); got != "198.51.100.1/24" {
			t.Errorf("it is left with %s", got)
		}
	}
}

func TestLabAdoptsWithoutRightsWhatItOwns(t *testing.T) {
	n := newNamespace(t)
	n.ip("tuntap add vxm0 mode tap user 0")
	n.ip("link set vxm0 up")
	_, said := n.startChild("vxm0", "setpriv", "--bounding-set=-net_admin")
	if said != "<nil>" {
		t.Errorf("its owner cannot have it: %s", said)
	}
	if s := n.show("vxm0"); s.Address != labMAC.String() {
		t.Errorf("its address is %s", s.Address)
	}
}

func TestLabKilledProcessLeavesNothing(t *testing.T) {
	n := newNamespace(t)
	cmd, said := n.startChild("vxm0")
	if said != "<nil>" || n.show("vxm0") == nil {
		t.Fatalf("the child said %s", said)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the device is gone", func() bool { return n.show("vxm0") == nil })
	n.open(Options{Name: "vxm0"})
}

func TestLabReconfigure(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add br0 type bridge")
	o := Options{Name: "vxm0", MAC: labMAC, Addresses: prefixes("192.0.2.1/24", "192.0.2.2/24")}
	d := n.open(o)
	index := n.show("vxm0").Index

	o.MTU, o.Bridge, o.Addresses = 9000, "br0", prefixes("192.0.2.2/24", "2001:db8::1/64")
	if err := d.Reconfigure(o); err != nil {
		t.Fatal(err)
	}
	s := n.show("vxm0")
	if s.Index != index || s.MTU != 9000 || d.MTU() != 9000 || s.Master != "br0" {
		t.Errorf("interface is %+v", s)
	}
	if got := s.addrs(); got != "192.0.2.2/24 2001:db8::1/64" {
		t.Errorf("addresses are %s", got)
	}
	before := s

	bad := o
	bad.MTU, bad.Bridge = 1500, "br7"
	if err := d.Reconfigure(bad); !errors.Is(err, ErrNoBridge) {
		t.Errorf("a bridge that is not there: %v", err)
	}
	bad.Name, bad.Bridge = "vxm1", ""
	if err := d.Reconfigure(bad); !errors.Is(err, ErrInvalid) {
		t.Errorf("another name: %v", err)
	}
	s = n.show("vxm0")
	if s.MTU != before.MTU || s.Master != before.Master || d.MTU() != 9000 {
		t.Errorf("what was refused left the interface as %+v", s)
	}

	o.Bridge, o.Addresses = "", nil
	if err := d.Reconfigure(o); err != nil {
		t.Fatal(err)
	}
	if s = n.show("vxm0"); s.Master != "" || s.addrs() != "" {
		t.Errorf("interface is %+v", s)
	}
}

func TestLabFramesPassUnchanged(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add br0 type bridge")
	n.ip("link set br0 up")
	a, b := n.open(Options{Name: "vxm0", Bridge: "br0"}), n.open(Options{
		Name: "vxm1", Bridge: "br0", MAC: ether.MAC{0xfe, 0, 0, 0, 0, 2},
	})
	frame := testFrame(200)
	buf := make([]byte, BufLen)
	// Gathered from odd parts, through the bridge, to the other device.
	parts := [][]byte{frame[:3], nil, frame[3:14], frame[14:15], frame[15:]}
	if err := a.WriteFrame(offload.Header{}, parts); err != nil {
		t.Fatal(err)
	}
	for {
		got, h, err := b.ReadFrame(buf, true)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(buf[12:14], frame[12:14]) { // the host's own, such as router solicitations
			continue
		}
		if h.IsSuper() || !bytes.Equal(buf[:got], frame) {
			t.Errorf("got % x, %+v", buf[:got], h)
		}
		return
	}
}

func TestLabWriteRefuses(t *testing.T) {
	n := newNamespace(t)
	d := n.open(Options{Name: "vxm0"})
	frame := testFrame(60)
	if err := d.WriteFrame(offload.Header{}, [][]byte{frame[:13]}); err != errShortFrame {
		t.Errorf("a runt: %v", err)
	}
	if err := d.WriteFrame(offload.Header{}, make([][]byte, MaxParts+1)); err != errManyParts {
		t.Errorf("too many parts: %v", err)
	}
	if _, _, err := d.ReadFrame(frame, true); err != errShortBuffer {
		t.Errorf("a short buffer: %v", err)
	}
	bad := offload.Header{GSOType: 0x55, GSOSize: 1}
	if err := d.WriteFrame(bad, [][]byte{frame}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a header that makes no sense: %v", err)
	}
	n.ip("link set vxm0 down")
	if err := d.WriteFrame(offload.Header{}, [][]byte{frame}); err != ErrDown {
		t.Errorf("while down: %v", err)
	}
	n.ip("link del vxm0")
	if err := d.WriteFrame(offload.Header{}, [][]byte{frame}); err != ErrDown {
		t.Errorf("while gone: %v", err)
	}
	if _, _, err := d.ReadFrame(make([]byte, BufLen), false); err != ErrWouldBlock {
		t.Errorf("read while gone: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := d.WriteFrame(offload.Header{}, [][]byte{frame}); err != ErrClosed {
		t.Errorf("after close: %v", err)
	}
	if _, _, err := d.ReadFrame(make([]byte, BufLen), false); err != ErrClosed {
		t.Errorf("read after close: %v", err)
	}
}

func TestLabFramesCostNoAllocation(t *testing.T) {
	const frames = 200 // the interface's queue holds 1000
	n := newNamespace(t)
	n.ip("link add br0 type bridge")
	n.ip("link set br0 up")
	a, b := n.open(Options{Name: "vxm0", Bridge: "br0"}), n.open(Options{
		Name: "vxm1", Bridge: "br0", MAC: ether.MAC{0xfe, 0, 0, 0, 0, 2},
	})
	frame := testFrame(200)
	parts := [][]byte{frame[:14], frame[14:]}
	if got := testing.AllocsPerRun(2*frames, func() {
		if err := a.WriteFrame(offload.Header{}, parts); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("a write makes %v allocations", got)
	}
	buf := make([]byte, BufLen)
	for _, wait := range []bool{false, true} {
		if got := testing.AllocsPerRun(frames/2, func() {
			if _, _, err := b.ReadFrame(buf, wait); err != nil {
				t.Fatal(err)
			}
		}); got != 0 {
			t.Errorf("a read with wait %v makes %v allocations", wait, got)
		}
	}
}

// testFrame is a broadcast frame of size bytes with an EtherType for experiments (IEEE 802, 9.2.3).
func testFrame(size int) []byte {
	f := make([]byte, size)
	copy(f, ether.Broadcast[:])
	copy(f[6:], []byte{0x52, 0x54, 0, 0, 0, 1, 0x88, 0xb5})
	for i := ether.HeaderLen; i < size; i++ {
		f[i] = byte(i)
	}
	return f
}
