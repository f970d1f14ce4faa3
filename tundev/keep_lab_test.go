//go:build linux && lab

package tundev

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// told gives an OnChange and a function that waits for the next state up or down.
func told(t *testing.T) (onChange func(State), next func(up bool) State) {
	states := make(chan State, 100)
	return func(s State) { states <- s }, func(up bool) State {
		t.Helper()
		late := time.After(patience)
		for {
			select {
			case s := <-states:
				if s.Up == up {
					return s
				}
			case <-late:
				t.Fatalf("the device never became up=%v", up)
			}
		}
	}
}

// A journal keeps what was logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) count(s string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.b.String(), s)
}

// read reads frames until one is equal to want, in the background.
func readUntil(d Device, want []byte) <-chan error {
	result := make(chan error, 1)
	go func() {
		buf := make([]byte, BufLen)
		for {
			n, _, err := d.ReadFrame(buf, true)
			if err != nil || bytes.Equal(buf[:n], want) {
				result <- err
				return
			}
		}
	}()
	return result
}

// send sends a frame out of the interface, as the host would.
func (n namespace) send(name string, frame []byte) {
	n.t.Helper()
	index := n.show(name).Index
	var err error
	n.do(func() {
		var fd int
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return
		}
		err = unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: index})
		_ = unix.Close(fd)
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

func TestLabRemovedDeviceComesBack(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add br0 type bridge")
	onChange, next := told(t)
	d := n.open(Options{
		Name: "vxm0", MTU: 1400, Bridge: "br0", OnChange: onChange,
		Addresses: prefixes("192.0.2.1/24", "2001:db8::1/64"),
	})
	keep(t, d)
	frame := testFrame(100)
	read := readUntil(d, frame) // waits through both removals
	for range 2 {
		index := n.show("vxm0").Index
		n.ip("link del vxm0")
		if s := next(false); s.Reason != "it was removed" {
			t.Errorf("it is down because %s", s.Reason)
		}
		if s := next(true); d.State() != s {
			t.Errorf("state is %+v, told was %+v", d.State(), s)
		}
		s := n.show("vxm0")
		if s == nil || s.Index == index || s.MTU != 1400 || s.Master != "br0" || !s.isUp() ||
			s.Address != labMAC.String() || s.addrs() != "192.0.2.1/24 2001:db8::1/64" {
			t.Errorf("interface is %+v", s)
		}
		if err := d.WriteFrame(offload.Header{}, [][]byte{frame}); err != nil {
			t.Errorf("write: %v", err)
		}
	}
	n.send("vxm0", frame)
	if err := <-read; err != nil {
		t.Errorf("read: %v", err)
	}
}

// TestLabRemovalIsToldOnce: what the kernel tells of the new interface before it is up is nobody's doing.
func TestLabRemovalIsToldOnce(t *testing.T) {
	n := newNamespace(t)
	onChange, next := told(t)
	var log journal
	d := n.open(Options{
		Name: "vxm0", MTU: 1400, OnChange: onChange, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	keep(t, d)
	n.ip("link del vxm0")
	next(true)
	n.ip("link set vxm0 mtu 1300") // heard after all that
	eventually(t, "the MTU is set right", func() bool { return n.show("vxm0").MTU == 1400 })
	if got := log.count("device is down"); got != 1 {
		t.Errorf("it was told to be down %d times: %s", got, log.b.String())
	}
}

func TestLabDeviceSetDownComesUp(t *testing.T) {
	n := newNamespace(t)
	onChange, next := told(t)
	d := n.open(Options{
		Name: "vxm0", OnChange: onChange, Addresses: prefixes("192.0.2.1/24", "2001:db8::1/64"),
	})
	keep(t, d)
	index := n.show("vxm0").Index
	n.ip("link set vxm0 down") // takes the IPv6 address away
	if s := next(false); s.Reason != "it was set down" {
		t.Errorf("it is down because %s", s.Reason)
	}
	next(true)
	s := n.show("vxm0")
	if s.Index != index || !s.isUp() || s.addrs() != "192.0.2.1/24 2001:db8::1/64" {
		t.Errorf("interface is %+v", s)
	}
}

func TestLabBriefDownCostsNoAddress(t *testing.T) {
	n := newNamespace(t)
	d := n.open(Options{Name: "vxm0", Addresses: prefixes("2001:db8::1/64")})
	keep(t, d)
	for range 3 {
		n.ip("link set vxm0 down")
		n.ip("link set vxm0 up")
		eventually(t, "the address is back", func() bool {
			return n.show("vxm0").addrs() == "2001:db8::1/64"
		})
	}
}

func TestLabBridgeGoneAndBack(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add br0 type bridge")
	onChange, next := told(t)
	d := n.open(Options{Name: "vxm0", Bridge: "br0", OnChange: onChange})
	keep(t, d)
	n.ip("link del br0")
	if s := next(false); s.Reason != "cannot join bridge br0: there is no such bridge" {
		t.Errorf("it is down because %s", s.Reason)
	}
	n.ip("link add br0 type bridge")
	next(true)
	if s := n.show("vxm0"); s.Master != "br0" {
		t.Errorf("interface is %+v", s)
	}
	n.ip("link set vxm0 nomaster")
	if s := next(false); s.Reason != "it was taken out of bridge br0" {
		t.Errorf("it is down because %s", s.Reason)
	}
	next(true)
	if s := n.show("vxm0"); s.Master != "br0" {
		t.Errorf("interface is %+v", s)
	}
}

func TestLabOtherChangesAreSetRight(t *testing.T) {
	n := newNamespace(t)
	onChange, next := told(t)
	d := n.open(Options{Name: "vxm0", OnChange: onChange})
	keep(t, d)
	index := n.show("vxm0").Index
	n.ip("link set vxm0 mtu 1300 address 52:54:00:00:00:01")
	eventually(t, "mtu and mac are right", func() bool {
		s := n.show("vxm0")
		return s.MTU == 1500 && s.Address == labMAC.String()
	})
	n.ip("link set vxm0 name eth7")
	if s := next(false); s.Reason != "it was renamed to eth7" {
		t.Errorf("it is down because %s", s.Reason)
	}
	next(true)
	if s := n.show("vxm0"); s == nil || s.Index != index || !s.isUp() {
		t.Errorf("interface is %+v", s)
	}
}

func TestLabRemovedAddressStaysAway(t *testing.T) {
	n := newNamespace(t)
	var log journal
	onChange, next := told(t)
	d := n.open(Options{
		Name: "vxm0", Addresses: prefixes("192.0.2.1/24", "198.51.100.1/24"),
		Log: slog.New(slog.NewTextHandler(&log, nil)), OnChange: onChange,
	})
	keep(t, d)
	n.ip("addr del 192.0.2.1/24 dev vxm0")
	const line = "address was removed by somebody else"
	eventually(t, "it is logged", func() bool { return log.count(line) == 1 })
	n.ip("link set vxm0 mtu 1300") // another repair
	eventually(t, "the mtu is right", func() bool { return n.show("vxm0").MTU == 1500 })
	if s := n.show("vxm0"); s.addrs() != "198.51.100.1/24" || log.count(line) != 1 {
		t.Errorf("addresses are %s, logged %d times", s.addrs(), log.count(line))
	}
	n.ip("link del vxm0") // a new device has all of them
	next(true)
	if s := n.show("vxm0"); s.addrs() != "192.0.2.1/24 198.51.100.1/24" {
		t.Errorf("addresses are %s", s.addrs())
	}
}

func TestLabNameTakenMeanwhile(t *testing.T) {
	n := newNamespace(t)
	onChange, next := told(t)
	d := n.open(Options{Name: "vxm0", OnChange: onChange})
	n.ip("link del vxm0")
	n.ip("link add vxm0 type bridge") // before anybody can make the device again
	keep(t, d)
	want := "cannot create tap device vxm0: a bridge interface has this name"
	for next(false).Reason != want {
	}
	n.ip("link del vxm0")
	next(true)
	if s := n.show("vxm0"); s.Address != labMAC.String() {
		t.Errorf("interface is %+v", s)
	}
}

func TestLabReconfigureOfARemovedDevice(t *testing.T) {
	n := newNamespace(t)
	o := Options{Name: "vxm0", MAC: labMAC}
	d := n.open(o)
	n.ip("link del vxm0")
	o.MTU = 9000
	if err := d.Reconfigure(o); err != nil {
		t.Fatal(err)
	}
	keep(t, d)
	eventually(t, "it comes back as asked", func() bool {
		s := n.show("vxm0")
		return s != nil && s.MTU == 9000 && s.isUp()
	})
}

func TestLabCloseEndsEverything(t *testing.T) {
	defer goleak.VerifyNone(t)
	n := newNamespace(t)
	n.ip("link add br0 type bridge")
	n.ip("link set br0 up")
	a := n.open(Options{Name: "vxm0", Bridge: "br0"})
	b := n.open(Options{Name: "vxm1", Bridge: "br0", MAC: ether.MAC{0xfe, 0, 0, 0, 0, 2}})
	ended := make(chan error)
	flowing := make(chan struct{})
	go func() { ended <- a.Run(context.Background()) }()
	go func() { ended <- b.Run(context.Background()) }()
	go func() { ended <- flood(a) }()
	go func() { ended <- flood(a) }()
	go func() { ended <- drain(b, flowing) }()
	<-flowing
	began := time.Now()
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	for range 5 {
		if err := <-ended; err != nil && err != ErrClosed {
			t.Error(err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("closing took %v", took)
	}
	if n.show("vxm0") != nil || n.show("vxm1") != nil {
		t.Error("a device is left")
	}
}

// flood writes as fast as it can until that ends.
func flood(d Device) error {
	frame := [][]byte{testFrame(1000)}
	for {
		err := d.WriteFrame(offload.Header{}, frame)
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
	}
}

// drain reads until that ends; it closes flowing after 1000 frames.
func drain(d Device, flowing chan<- struct{}) error {
	buf := make([]byte, BufLen)
	for i := 0; ; i++ {
		if _, _, err := d.ReadFrame(buf, true); err != nil {
			return err
		}
		if i == 1000 {
			close(flowing)
		}
	}
}
