package netmon

import "strings"

// tunnelNames are what tunnels are called where the system gives an interface no kind but its name.
// gif, which is how some machines have IPv6, is left out.
var tunnelNames = []string{
	"tun", "tap", "utun", "wg", "feth", "vxlan", "gre", "ipsec", "geneve", "etherip", "l2tp", "ovpn",
}

// isTunnelName reports whether a name is one of them with a number.
func isTunnelName(name string) bool {
	base := strings.TrimRight(name, "0123456789")
	if base == name {
		return false
	}
	for _, t := range tunnelNames {
		if base == t {
			return true
		}
	}
	return false
}
