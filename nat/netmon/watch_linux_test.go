package netmon

import (
	"net"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestMatters(t *testing.T) {
	message := func(kind uint16, bits byte) syscall.NetlinkMessage {
		data := make([]byte, unix.SizeofRtMsg)
		data[1] = bits
		return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind}, Data: data}
	}
	for name, c := range map[string]struct {
		messages []syscall.NetlinkMessage
		want     bool
	}{
		"a default route": {[]syscall.NetlinkMessage{message(unix.RTM_NEWROUTE, 0)}, true},
		"one that goes":   {[]syscall.NetlinkMessage{message(unix.RTM_DELROUTE, 0)}, true},
		"another route":   {[]syscall.NetlinkMessage{message(unix.RTM_NEWROUTE, 24)}, false},
		"an address":      {[]syscall.NetlinkMessage{message(unix.RTM_NEWADDR, 24)}, true},
		"a link":          {[]syscall.NetlinkMessage{message(unix.RTM_DELLINK, 1)}, true},
		"cut short":       {[]syscall.NetlinkMessage{{Header: syscall.NlMsghdr{Type: unix.RTM_NEWROUTE}}}, true},
		"the second": {
			[]syscall.NetlinkMessage{message(unix.RTM_NEWROUTE, 8), message(unix.RTM_NEWADDR, 8)}, true,
		},
		"nothing whatever": {nil, false},
	} {
		if got := anyMatters(c.messages); got != c.want {
			t.Errorf("%s matters: %v", name, got)
		}
	}
}

// TestDuplicates: an address that is still checked, or taken, is none.
func TestDuplicates(t *testing.T) {
	for flags, want := range map[int]bool{
		0: true, unix.IFA_F_PERMANENT: true, unix.IFA_F_TENTATIVE: false, unix.IFA_F_DADFAILED: false,
		unix.IFA_F_TENTATIVE | unix.IFA_F_OPTIMISTIC: true, unix.IFA_F_DEPRECATED: true,
	} {
		a := netlink.Addr{Flags: flags, IPNet: &net.IPNet{
			IP: net.ParseIP("2001:db8::1"), Mask: net.CIDRMask(64, 128),
		}}
		if _, got := prefixOf(a); got != want {
			t.Errorf("flags %#x: usable %v", flags, got)
		}
	}
}
