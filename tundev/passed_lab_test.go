//go:build linux && lab

package tundev

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// passTAP has a TAP made in a namespace of its own, as another process would, and takes it over.
func passTAP(t *testing.T) (namespace, Device) {
	t.Helper()
	n := newNamespace(t)
	var tap *os.File
	var err error
	n.do(func() { tap, err = CreateTAP("vxm0") })
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenPassed(tap, Options{Name: "a-guest-with-a-long-name", MAC: labMAC, MTU: 1400})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return n, d
}

// TestPassedCarries: frames cross between the other namespace and the device, which has given it its MAC.
func TestPassedCarries(t *testing.T) {
	n, d := passTAP(t)
	if got := n.show("vxm0").Address; got != labMAC.String() {
		t.Errorf("the MAC is %s, want %s", got, labMAC)
	}
	if !d.Offloads().TSO {
		t.Errorf("offloads are %+v", d.Offloads())
	}
	buf := make([]byte, BufLen)
	if _, _, err := d.ReadFrame(buf, false); err != ErrWouldBlock {
		t.Errorf("nothing is there: %v", err)
	}
	frame := make([]byte, 60)
	copy(frame, ether.Broadcast[:])
	if err := d.WriteFrame(offload.Header{}, [][]byte{frame}); err != ErrDown {
		t.Errorf("it is not up: %v", err)
	}
	n.ip("link set vxm0 up")
	n.ip("addr add 192.0.2.1/24 dev vxm0")
	n.ip("neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev vxm0")
	if err := d.WriteFrame(offload.Header{}, [][]byte{frame}); err != nil {
		t.Error(err)
	}
	if length, _, err := d.ReadFrame(buf, true); err != nil || ether.Frame(buf[:length]).Src() != labMAC {
		t.Errorf("% x, %v", buf[:length], err)
	}
}

// TestPassedEnds when its interface is removed: the reader learns of it, and Run returns.
func TestPassedEnds(t *testing.T) {
	n, d := passTAP(t)
	read, ran := make(chan error, 1), make(chan error, 1)
	go func() {
		buf := make([]byte, BufLen)
		for {
			if _, _, err := d.ReadFrame(buf, true); err != nil {
				read <- err
				return
			}
		}
	}()
	go func() { ran <- d.Run(t.Context()) }()
	n.ip("link del vxm0")
	late := time.After(patience)
	for _, end := range []chan error{read, ran} {
		select {
		case err := <-end:
			if err != nil && err != ErrClosed {
				t.Error(err)
			}
		case <-late:
			t.Fatal("it does not end with its interface")
		}
	}
	if d.(*passed).Descriptor() != nil {
		t.Error("there is something to wait for")
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
}

// TestPassedFlags: a TAP without the header before its frames is refused.
func TestPassedFlags(t *testing.T) {
	n := newNamespace(t)
	for flags, refused := range map[uint16]bool{
		unix.IFF_TAP | unix.IFF_NO_PI:                                            true,
		unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR:                        true,
		unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR:                        false,
		unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR | unix.IFF_MULTI_QUEUE: false,
	} {
		var fd int
		var err error
		n.do(func() {
			if fd, err = openTun(); err == nil {
				req, _ := unix.NewIfreq("x0")
				req.SetUint16(flags)
				err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		d, err := OpenPassed(os.NewFile(uintptr(fd), "x0"), Options{Name: "x", MAC: labMAC})
		if errors.Is(err, ErrInvalid) != refused || err != nil && !refused {
			t.Errorf("flags %#x: %v", flags, err)
		}
		if err == nil {
			_ = d.Close()
		}
	}
}
