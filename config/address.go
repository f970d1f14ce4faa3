package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// VXLANPort is the UDP port that IANA gave to VXLAN (RFC 7348, 8); what a VTEP without a port has.
const VXLANPort = 4789

// A VTEP is the address of a plain RFC 7348 endpoint. The zero VTEP means none.
type VTEP struct{ netip.AddrPort }

// UnmarshalTOML reads address[:port] with a literal unicast address; "" is none.
func (v *VTEP) UnmarshalTOML(raw any) error {
	s, err := scanString(raw)
	if err != nil || s == "" {
		return err
	}
	host, port := s, uint16(VXLANPort)
	if addr, p, ok := cutPort(s); ok {
		if port, err = parsePort(p); err != nil {
			return err
		}
		host = addr
	}
	a, err := parseAddr(host)
	if err != nil {
		return err
	}
	if err := checkUnicast(a); err != nil {
		return err
	}
	v.AddrPort = netip.AddrPortFrom(a, port)
	return nil
}

// String leaves the port out where it is [VXLANPort]; the zero VTEP is "".
func (v VTEP) String() string {
	switch {
	case !v.IsValid():
		return ""
	case v.Port() == VXLANPort:
		return v.Addr().String()
	}
	return v.AddrPort.String()
}

func (v VTEP) tomlValue() any { return v.String() }

// checkUnicast refuses addresses that no single machine has.
func checkUnicast(a netip.Addr) error {
	switch {
	case a.IsMulticast():
		return bad("multicast belongs in group", "%s is a multicast address", a)
	case a.IsUnspecified():
		return bad("", "%s is not the address of a machine", a)
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return bad("", "%s is the broadcast address", a)
	}
	return nil
}

// cutPort splits host:port and [host]:port; a bare IPv6 address has no port.
func cutPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	host, port = s[:i], s[i+1:]
	if strings.HasPrefix(s, "[") {
		return host, port, strings.HasSuffix(host, "]")
	}
	return host, port, !strings.Contains(host, ":")
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, bad("", "%q is not a port, which is 1 to 65535", s)
	}
	return uint16(n), nil
}

// A ListenAddr is where a UDP socket is bound. Without a valid Addr it is every address of both
// families.
type ListenAddr struct {
	Addr netip.Addr
	Port uint16
}

// UnmarshalTOML reads ":4789", "192.0.2.1:4789" or "[2001:db8::1]:4789".
func (l *ListenAddr) UnmarshalTOML(raw any) error {
	s, err := scanString(raw)
	if err != nil {
		return err
	}
	host, port, ok := cutPort(s)
	if !ok {
		return bad(`write it like ":4789" or "192.0.2.1:4789"`, "%q has no port", s)
	}
	if l.Port, err = parsePort(port); err != nil {
		return err
	}
	if host == "" {
		l.Addr = netip.Addr{}
		return nil
	}
	if l.Addr, err = parseAddr(host); err != nil {
		return err
	}
	if l.Addr.IsMulticast() {
		return bad("", "%s is a multicast address", l.Addr)
	}
	return nil
}

// String gives the form that the file has.
func (l ListenAddr) String() string {
	if !l.Addr.IsValid() {
		return ":" + strconv.Itoa(int(l.Port))
	}
	return netip.AddrPortFrom(l.Addr, l.Port).String()
}

func (l ListenAddr) tomlValue() any { return l.String() }

// takes tells whether a socket bound to l has the address a among its own.
func (l ListenAddr) takes(a netip.Addr) bool {
	return !l.Addr.IsValid() || l.Addr == a || l.Addr.IsUnspecified() && l.Addr.Is4() == a.Is4()
}

// covers tells whether a socket bound to l leaves nothing for one bound to o.
func (l ListenAddr) covers(o ListenAddr) bool {
	if l.Port != o.Port {
		return false
	}
	return l == o || !l.Addr.IsValid() || o.Addr.IsValid() && l.takes(o.Addr)
}

// A HostPort is "host:port" with a name or an address; "" where that means none.
type HostPort string

// UnmarshalTOML reads host:port.
func (h *HostPort) UnmarshalTOML(raw any) error {
	s, err := scanString(raw)
	if err != nil {
		return err
	}
	*h = HostPort(s)
	if s == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return bad(`write it like "192.0.2.7:9742"`, "%q is not host:port", s)
	}
	if _, err := parsePort(port); err != nil {
		return err
	}
	if strings.Contains(host, ":") {
		if _, err := netip.ParseAddr(host); err != nil {
			return bad("", "%q is not an IPv6 address", host)
		}
		return nil
	}
	if !isHostName(host) {
		return bad("", "%q is not a host name", host)
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Trim(host, "0123456789.") == "" {
		return bad("", "%q is not an IPv4 address", host)
	}
	return nil
}

// isHostName accepts what can be asked of a name server (RFC 1123, 2.1); IPv4 addresses look
// like names.
func isHostName(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if part == "" || len(part) > 63 || part[0] == '-' || part[len(part)-1] == '-' ||
			strings.ContainsFunc(part, func(r rune) bool { return !isNameRune(r) }) {
			return false
		}
	}
	return true
}

func isNameRune(r rune) bool {
	return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
}

// isNodeName accepts what a node may be called.
func isNodeName(s string) bool { return len(s) <= 63 && isHostName(s) }
