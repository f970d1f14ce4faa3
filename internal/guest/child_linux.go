package guest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
)

// Main is the process in the namespace, if this is one: it becomes the program, or ends. In any other
// process it does nothing.
func Main() {
	if len(os.Args) < 4 || os.Args[0] != name {
		return
	}
	runtime.LockOSThread() // rights belong to threads
	l, err := linkOf(os.NewFile(3, "link"))
	if err != nil {
		os.Exit(1) // nobody to tell
	}
	_ = l.send(failure(become(l, os.Args[1] == asRoot, os.Args[2], os.Args[3:])))
	os.Exit(1)
}

// become turns the process into the program. It returns when it cannot, and says why.
func become(l link, root bool, path string, args []string) error {
	tap, err := furnish()
	if err != nil {
		return err
	}
	if err := l.send(report{}, append([]*os.File{tap}, tables()...)...); err != nil {
		return err
	}
	var at Place
	if _, err := l.receive(&at); err != nil {
		return err
	}
	taken, err := settle(at)
	if err != nil {
		return err
	}
	if err := l.send(report{Taken: taken}); err != nil {
		return err
	}
	if !root && os.Geteuid() != 0 {
		if err := dropRights(); err != nil {
			return err
		}
	}
	// It belongs to the thread, too, and this one need not be the first.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("end with the process outside: %w", err)
	}
	return &failed{fmt.Sprintf("run %s: %v", path, syscall.Exec(path, args, os.Environ())), ErrProgram}
}

// furnish makes an empty network namespace one that programs are used to, and gives it a TAP.
func furnish() (*os.File, error) {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	switch {
	case errors.Is(err, unix.EPERM):
		return nil, fmt.Errorf("%w: %w", ErrRights, err)
	case err != nil:
		return nil, fmt.Errorf("set up lo: %w", err)
	}
	group := os.Getegid()
	for key, value := range map[string]string{
		"ipv4/ping_group_range":           fmt.Sprintf("%d %d", group, group), // ping needs no rights
		"ipv4/ip_unprivileged_port_start": "0",                                // nor do ports that are nobody else's
		"ipv6/conf/default/dad_transmits": "0",                                // addresses are probed before
	} {
		_ = os.WriteFile("/proc/sys/net/"+key, []byte(value), 0) // what an old kernel lacks is not missed
	}
	return tundev.CreateTAP(Device)
}

// settle sets the interface up and takes the first of the candidates that nobody has.
func settle(at Place) ([]netip.Prefix, error) {
	dev, err := netlink.LinkByName(Device)
	if err == nil {
		err = netlink.LinkSetMTU(dev, at.MTU)
	}
	if err == nil {
		err = netlink.LinkSetUp(dev)
	}
	if err != nil {
		return nil, fmt.Errorf("set up %s: %w", Device, err)
	}
	taken, err := choose(at.Candidates)
	for _, a := range taken {
		if err := netlink.AddrAdd(dev, &netlink.Addr{IPNet: ipNet(a), Flags: flagsOf(a)}); err != nil {
			return nil, fmt.Errorf("add %s to %s: %w", a, Device, err)
		}
	}
	return taken, err
}

// choose gives the first candidate whose addresses nobody has; none of no candidates.
func choose(candidates [][]netip.Prefix) (free []netip.Prefix, err error) {
	for _, c := range candidates {
		var a netip.Prefix
		var by ether.MAC
		if a, by, err = holder(c); err != nil {
			return nil, err
		}
		if by.IsZero() {
			return c, nil
		}
		err = &failed{fmt.Sprintf("%s in the segment has %s", by, a.Addr()), ErrTaken}
	}
	return nil, err
}

// holder asks in the segment for all addresses at once, and gives one that a station has, with the station.
func holder(addresses []netip.Prefix) (which netip.Prefix, by ether.MAC, err error) {
	var asking sync.WaitGroup
	var mu sync.Mutex
	for _, a := range addresses {
		asking.Go(func() {
			mac, e := tundev.Probe(context.Background(), Device, a.Addr())
			mu.Lock()
			defer mu.Unlock()
			if !mac.IsZero() {
				which, by = a, mac
			}
			err = errors.Join(err, e)
		})
	}
	asking.Wait()
	return which, by, err
}

func ipNet(a netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}
}

// flagsOf spares an address the kernel's own probing: it has been done.
func flagsOf(a netip.Prefix) int {
	if a.Addr().Is6() {
		return unix.IFA_F_NODAD
	}
	return 0
}

// dropRights gives up what setting up took, for this thread, which is the one that becomes the program.
func dropRights() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&head, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}
