package netmon

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// isTunnel goes by the type that the driver states, and for TAP drivers, which state Ethernet, by
// what they call themselves.
func isTunnel(i net.Interface) bool {
	row := windows.MibIfRow2{InterfaceIndex: uint32(i.Index)}
	if windows.GetIfEntry2Ex(windows.MibIfEntryNormalWithoutStatistics, &row) != nil {
		return false
	}
	const propVirtual = 53 // IF_TYPE_PROP_VIRTUAL, as Wintun and WireGuard state
	if row.Type == windows.IF_TYPE_TUNNEL || row.Type == propVirtual {
		return true
	}
	description := strings.ToLower(windows.UTF16ToString(row.Description[:]))
	for _, word := range []string{"tap-windows", "wintun", "wireguard", "zerotier", "openvpn"} {
		if strings.Contains(description, word) {
			return true
		}
	}
	return false
}

func defaultRoutes() ([]defaultRoute, error) {
	var table *windows.MibIpForwardTable2
	if err := windows.GetIpForwardTable2(windows.AF_UNSPEC, &table); err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	defer windows.FreeMibTable(unsafe.Pointer(table))
	var out []defaultRoute
	for _, row := range table.Rows() {
		if row.DestinationPrefix.PrefixLength != 0 || row.Loopback != 0 {
			continue
		}
		r := defaultRoute{
			index: int(row.InterfaceIndex), six: row.DestinationPrefix.Prefix.Family == windows.AF_INET6,
			metric: uint64(row.Metric) + interfaceMetric(&row),
		}
		if hop := addrOf(&row.NextHop); hop.IsValid() && !hop.IsUnspecified() {
			r.gateway = hop
		}
		out = append(out, r)
	}
	return out, nil
}

// interfaceMetric is what the system adds to the metric of each route through an interface.
func interfaceMetric(r *windows.MibIpForwardRow2) uint64 {
	row := windows.MibIpInterfaceRow{
		Family: r.DestinationPrefix.Prefix.Family, InterfaceLuid: r.InterfaceLuid,
	}
	if windows.GetIpInterfaceEntry(&row) != nil {
		return 0
	}
	return uint64(row.Metric)
}

// addrOf reads the union that Windows calls SOCKADDR_INET.
func addrOf(a *windows.RawSockaddrInet) netip.Addr {
	switch a.Family {
	case windows.AF_INET:
		return netip.AddrFrom4((*windows.RawSockaddrInet4)(unsafe.Pointer(a)).Addr)
	case windows.AF_INET6:
		return netip.AddrFrom16((*windows.RawSockaddrInet6)(unsafe.Pointer(a)).Addr)
	}
	return netip.Addr{}
}
