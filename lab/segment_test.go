//go:build linux && lab

package lab

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// A segment describes one VXLAN segment at one end, in the words of the configuration file. Zero
// values are left out, so that the program's defaults apply.
type segment struct {
	vni       int // default 100
	device    string
	kind      string // of the device; default "tap"
	mtu       int
	mac       string
	bridge    string
	addresses []string
	offers    string // lines of [segments.userspace]; "" for none

	ageing     string
	maxEntries int
	maxPerPort int
	noLearning bool
	static     []string // inline tables
	peers      string   // TOML: "all" in quotes, a list

	noPlain    bool // only peers: no [segments.vxlan]
	remotes    []string
	group      string
	iface      string
	local      string
	sourcePort string
	ttl        string
	tos        string
	df         string
	noChecksum bool
	reserved   string
	noFlood    bool
	learnVTEPs bool
}

// withDefaults fills in what every case would repeat.
func (s segment) withDefaults(device string) segment {
	if s.vni == 0 {
		s.vni = 100
	}
	if s.device == "" {
		s.device = device
	}
	return s
}

// toml writes the segment for the program.
func (s segment) toml() string {
	var b strings.Builder
	line := func(present bool, format string, args ...any) {
		if present {
			fmt.Fprintf(&b, format+"\n", args...)
		}
	}
	line(true, "[[segments]]\nvni = %d", s.vni)
	line(s.peers != "", "peers = %s", s.peers)
	line(true, "[segments.device]\nname = %q", s.device)
	line(s.kind != "", "kind = %q", s.kind)
	line(s.mtu != 0, "mtu = %d", s.mtu)
	line(s.mac != "", "mac = %q", s.mac)
	line(s.bridge != "", "bridge = %q", s.bridge)
	line(len(s.addresses) > 0, "addresses = %s", list(s.addresses))
	line(s.offers != "", "[segments.userspace]\n%s", s.offers)
	line(true, "[segments.fdb]")
	line(s.ageing != "", "ageing = %q", s.ageing)
	line(s.maxEntries != 0, "max_entries = %d", s.maxEntries)
	line(s.maxPerPort != 0, "max_per_port = %d", s.maxPerPort)
	line(s.noLearning, "learn = false")
	line(len(s.static) > 0, "static = [%s]", strings.Join(s.static, ", "))
	if s.noPlain {
		return b.String()
	}
	line(true, "[segments.vxlan]")
	line(len(s.remotes) > 0, "remotes = %s", list(s.remotes))
	line(s.group != "", "group = %q", s.group)
	line(s.iface != "", "interface = %q", s.iface)
	line(s.local != "", "local = %q", s.local)
	line(s.sourcePort != "", "source_port = %q", s.sourcePort)
	line(s.ttl != "", "ttl = %s", value(s.ttl))
	line(s.tos != "", "tos = %s", value(s.tos))
	line(s.df != "", "df = %q", s.df)
	line(s.noChecksum, "udp_checksum = false")
	line(s.reserved != "", "reserved_bits = %q", s.reserved)
	line(s.noFlood, "flood = false")
	line(s.learnVTEPs, "learn_new_vteps = true")
	return b.String()
}

func list(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = fmt.Sprintf("%q", v)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// value writes a setting that is a number or a word.
func value(s string) string {
	if strings.Trim(s, "0123456789") == "" {
		return s
	}
	return fmt.Sprintf("%q", s)
}

// kernel makes the segment with the kernel's own device, vx0 when not named otherwise. Further
// options of `ip link add ... type vxlan` may follow.
func (h *host) kernel(s segment, port int, options ...string) {
	h.t.Helper()
	s = s.withDefaults("vx0")
	h.run("ip link add %s type vxlan id %d dstport %d %s %s", s.device, s.vni, port,
		s.kernelOptions(port), strings.Join(options, " "))
	if s.mac != "" {
		h.run("ip link set %s address %s", s.device, s.mac)
	}
	if s.mtu != 0 {
		h.run("ip link set %s mtu %d", s.device, s.mtu)
	}
	for _, r := range s.remotes {
		dst, remotePort, err := net.SplitHostPort(r)
		if err != nil {
			dst, remotePort = r, "4789"
		}
		h.run("bridge fdb append 00:00:00:00:00:00 dev %s dst %s port %s", s.device, dst,
			remotePort)
	}
	for _, a := range s.addresses {
		h.run("ip addr add %s dev %s", a, s.device)
	}
	if s.bridge != "" {
		h.run("ip link set %s master %s", s.device, s.bridge)
	}
	h.run("ip link set %s up", s.device)
}

func (s segment) kernelOptions(port int) string {
	var o []string
	add := func(present bool, format string, args ...any) {
		if present {
			o = append(o, fmt.Sprintf(format, args...))
		}
	}
	add(s.mtu == 0, "dev u0") // takes the MTU from u0, and refuses a larger one
	add(s.group != "", "group %s", s.group)
	add(s.local != "", "local %s", s.local)
	add(s.group == "" && s.local == "" && s.isV6(), "local ::")
	add(s.sourcePort == "fixed", "srcport %d %d", port, port+1)
	add(s.ttl != "", "ttl %s", s.ttl)
	add(s.ttl == "", "ttl 64")
	add(s.tos == "inherit", "tos inherit")
	add(s.tos != "inherit" && s.tos != "", "tos %s", hexadecimal(s.tos))
	add(s.df != "", "df %s", s.df)
	add(s.noChecksum, "noudpcsum udp6zerocsumtx")
	add(true, "udp6zerocsumrx")
	add(s.ageing != "", "ageing %s", strings.TrimSuffix(s.ageing, "s"))
	add(s.noLearning, "nolearning")
	return strings.Join(o, " ")
}

// hexadecimal is how ip wants a TOS, with or without a prefix.
func hexadecimal(decimal string) string {
	n, err := strconv.Atoi(decimal)
	if err != nil {
		return decimal
	}
	return fmt.Sprintf("%#x", n)
}

func (s segment) isV6() bool { return len(s.remotes) > 0 && strings.Count(s.remotes[0], ":") > 1 }
