package tundev

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	wgtun "golang.zx2c4.com/wireguard/tun"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

const (
	listenEvery = 2 * time.Second
	upWithin    = 5 * time.Second
	lookAgain   = 50 * time.Millisecond
)

// Adapters are shown under this name, and not under the package's own.
func init() { wgtun.WintunTunnelType = "vxmesh" }

// tunName is what Wintun can be called: anything.
func tunName(name string) string { return name }

// look has the MTU that is set, where the standard library has the adapter's own.
func (host) look(name string) (*facts, error) {
	f, err := lookUp(name)
	if f == nil || err != nil {
		return f, err
	}
	row := windows.MibIpInterfaceRow{Family: windows.AF_INET, InterfaceIndex: uint32(f.index)}
	if windows.GetIpInterfaceEntry(&row) == nil {
		f.mtu = int(row.NlMtu)
	}
	return f, nil
}

func (host) rename(from, to string) error {
	return command("netsh", "interface", "set", "interface", "name="+from, "newname="+to)
}

func (host) setMAC(string, ether.MAC) error {
	return errors.New("its driver reads it only when the adapter starts")
}

// setMTU sets that of both families. A host may be without IPv6.
func (host) setMTU(name string, mtu int) error {
	for _, family := range []uint16{windows.AF_INET, windows.AF_INET6} {
		err := setFamilyMTU(name, family, uint32(mtu))
		if err != nil && family == windows.AF_INET {
			return err
		}
	}
	return nil
}

func setFamilyMTU(name string, family uint16, mtu uint32) error {
	index, err := indexOf(name)
	if err != nil {
		return err
	}
	row := windows.MibIpInterfaceRow{Family: family, InterfaceIndex: index}
	if err := windows.GetIpInterfaceEntry(&row); err != nil {
		return err
	}
	if row.NlMtu == mtu {
		return nil
	}
	row.NlMtu = mtu
	row.SitePrefixLength = 0 // or SetIpInterfaceEntry takes no row of IPv4
	return iphlpapi("SetIpInterfaceEntry", unsafe.Pointer(&row))
}

// setUp waits until the interface is up: it comes up by being opened.
func (host) setUp(name string, _ Kind, _ ether.MAC) error {
	for until := time.Now().Add(upWithin); time.Now().Before(until); time.Sleep(lookAgain) {
		if f, err := lookUp(name); err != nil || f != nil && f.up {
			return err
		}
	}
	return errors.New("it does not come up; look whether it is disabled in the network connections")
}

// addAddress gives the interface an address, until the machine starts again. It is not tried
// first: a TUN has nobody to ask, and a TAP's frames go nowhere while it is opened.
func (host) addAddress(name string, _ Kind, p netip.Prefix) error {
	row, err := newAddressRow(name, p)
	if err != nil {
		return err
	}
	row.DadState = windows.IpDadStatePreferred
	row.OnLinkPrefixLength = uint8(p.Bits())
	err = iphlpapi("CreateUnicastIpAddressEntry", unsafe.Pointer(row))
	if errors.Is(err, windows.ERROR_OBJECT_ALREADY_EXISTS) {
		return nil
	}
	return err
}

func (host) dropAddress(name string, _ Kind, p netip.Prefix) error {
	row, err := newAddressRow(name, p)
	if err != nil {
		return err
	}
	err = iphlpapi("DeleteUnicastIpAddressEntry", unsafe.Pointer(row))
	if errors.Is(err, windows.ERROR_NOT_FOUND) {
		return nil
	}
	return err
}

func newAddressRow(name string, p netip.Prefix) (*windows.MibUnicastIpAddressRow, error) {
	index, err := indexOf(name)
	if err != nil {
		return nil, err
	}
	row := &windows.MibUnicastIpAddressRow{}
	// The function that fills in what is left out gives nothing back.
	proc := windows.NewLazySystemDLL("iphlpapi.dll").NewProc("InitializeUnicastIpAddressEntry")
	if err := proc.Find(); err != nil {
		return nil, err
	}
	_, _, _ = proc.Call(uintptr(unsafe.Pointer(row)))
	row.InterfaceIndex = index
	row.Address.Family = windows.AF_INET6
	if p.Addr().Is4() {
		in4 := (*windows.RawSockaddrInet4)(unsafe.Pointer(&row.Address))
		in4.Family, in4.Addr = windows.AF_INET, p.Addr().As4()
		return row, nil
	}
	row.Address.Addr = p.Addr().As16()
	return row, nil
}

// iphlpapi calls a function of the system that takes a row and gives an error.
func iphlpapi(function string, row unsafe.Pointer) error {
	proc := windows.NewLazySystemDLL("iphlpapi.dll").NewProc(function)
	if err := proc.Find(); err != nil {
		return err
	}
	code, _, _ := proc.Call(uintptr(row))
	if code != 0 {
		return fmt.Errorf("%s: %w", function, windows.Errno(code))
	}
	return nil
}

func indexOf(name string) (uint32, error) {
	f, err := lookUp(name)
	if err == nil && f == nil {
		err = errors.New(faultRemoved)
	}
	if err != nil {
		return 0, err
	}
	return uint32(f.index), nil
}

// Windows has no bridges that a program can join.

var errNoBridges = causef(ErrInvalid, "a program cannot join a bridge on Windows: leave bridge out, "+
	"and put the adapter into one by hand, in the network connections")

func (host) isPort(string, string) (bool, error) { return false, errNoBridges }
func (host) join(string, string) error           { return errNoBridges }
func (host) leave(string, string) error          { return errNoBridges }

// A metronome is a listener that hears nothing, and so says every now and then that there may be
// news.
type metronome struct {
	ticker *time.Ticker
	done   chan struct{}
}

func (host) listen() (listener, error) {
	return metronome{time.NewTicker(listenEvery), make(chan struct{})}, nil
}

func (m metronome) next() (news, error) {
	select {
	case <-m.ticker.C:
		return news{}, nil
	case <-m.done:
		return news{}, ErrClosed
	}
}

func (m metronome) close() {
	m.ticker.Stop()
	close(m.done)
}
