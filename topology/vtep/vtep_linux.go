package vtep

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// The line between this process and the kernel's endpoint, in addresses for documentation (RFC 5737).
const (
	near, far = "203.0.113.1", "203.0.113.2"
	lineBits  = 30
	port      = 4789 // IANA's for VXLAN
)

// A Kernel is a vxlan device of the kernel in a namespace, at the other end of a line:
//
//	this process 203.0.113.1 --- veth --- 203.0.113.2 vxlan0, a host in the segment
type Kernel struct {
	Listen netip.AddrPort // where this process speaks VXLAN with it
	Remote netip.AddrPort // where the kernel does

	ns netns.NsHandle
}

// Start makes the kernel's device, with an address in segment vni. The process must be isolated.
func Start(vni uint32, addr netip.Prefix) (*Kernel, error) {
	k := &Kernel{
		Listen: netip.AddrPortFrom(netip.MustParseAddr(near), port),
		Remote: netip.AddrPortFrom(netip.MustParseAddr(far), port),
	}
	var err error
	if k.ns, err = newNamespace(); err != nil {
		return nil, fmt.Errorf("make a namespace for the kernel's host: %w", err)
	}
	if err = k.open(vni, addr); err != nil {
		_ = k.Close()
		return nil, err
	}
	return k, nil
}

// newNamespace makes an empty network namespace and stays out of it.
func newNamespace() (netns.NsHandle, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return 0, err
	}
	defer func() { _ = home.Close() }()
	ns, err := netns.New() // enters it, too
	if err != nil {
		return 0, err
	}
	return ns, netns.Set(home)
}

// open draws the line, and makes the device at its end.
func (k *Kernel) open(vni uint32, addr netip.Prefix) error {
	here, err := netlink.NewHandle()
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer here.Close()
	there, err := netlink.NewHandleAt(k.ns)
	if err != nil {
		return fmt.Errorf("open netlink in the namespace: %w", err)
	}
	defer there.Close()
	pair := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: "line0"}, PeerName: "line1", PeerNamespace: netlink.NsFd(k.ns),
	}
	if err := here.LinkAdd(pair); err != nil {
		return fmt.Errorf("make a veth pair: %w", err)
	}
	if err := up(here, "line0", near, lineBits); err != nil {
		return err
	}
	if err := up(there, "line1", far, lineBits); err != nil {
		return err
	}
	err = there.LinkAdd(&netlink.Vxlan{
		LinkAttrs: netlink.LinkAttrs{Name: "vxlan0"}, VxlanId: int(vni), Port: port, Learning: true,
		SrcAddr: k.Remote.Addr().AsSlice(), Group: k.Listen.Addr().AsSlice(),
	})
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return fmt.Errorf("make a vxlan device: %w; is the module loaded (modprobe vxlan)?", err)
	}
	if err != nil {
		return fmt.Errorf("make a vxlan device: %w", err)
	}
	return up(there, "vxlan0", addr.Addr().String(), addr.Bits())
}

// up gives an interface an address and sets it up.
func up(h *netlink.Handle, name, addr string, bits int) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	a, err := netlink.ParseAddr(fmt.Sprintf("%s/%d", addr, bits))
	if err != nil {
		return err
	}
	if err := h.AddrAdd(link, a); err != nil {
		return fmt.Errorf("give %s the address %s: %w", name, a, err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

// Close lets the namespace go, and with it all that is in it.
func (k *Kernel) Close() error { return k.ns.Close() }
