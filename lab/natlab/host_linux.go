package natlab

import (
	"fmt"
	"net/netip"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// A Host is a machine with one network device.
type Host struct {
	*netns.NS

	// Device is the one device towards the network; it has another name after a move.
	Device string
	// Inside and Inside6 are the host's own addresses, zero where it has none of that kind.
	Inside, Inside6 netip.Addr

	internet *Internet
	site     *Site // nil: public
	port     string
	line     *line
	plugs    int
}

// Public makes a host with outside addresses of its own; of the options, only [Distant] is for it.
func (i *Internet) Public(name string, options ...Option) *Host {
	i.t.Helper()
	var o setup
	for _, set := range options {
		set(&o)
	}
	h := &Host{NS: newNS(i.t, name, false), Device: "eth0", plugs: 1, internet: i, line: o.line}
	h.port = i.cable(h.NS, h.Device, o.line)
	h.Inside, h.Inside6 = h.AddAddress()
	return h
}

// AddAddress gives a public host further addresses.
func (h *Host) AddAddress() (v4, v6 netip.Addr) {
	h.internet.t.Helper()
	v4, v6 = h.internet.address()
	h.internet.public(h.NS, h.Device, h.port, v4, v6)
	return v4, v6
}

// Outside is the IPv4 address the internet sees of the host now; zero when there is none.
func (h *Host) Outside() netip.Addr {
	if !h.Inside.IsValid() || h.site == nil || !h.site.kind.translates() {
		return h.Inside
	}
	return h.site.Outside()
}

// Outside6 is the IPv6 address the internet sees of the host; zero when there is none.
func (h *Host) Outside6() netip.Addr { return h.Inside6 }

// Site is where the host is, nil for a public one.
func (h *Host) Site() *Site { return h.site }

// Unplug takes the host's device away, as a Wi-Fi stick would go.
func (h *Host) Unplug() {
	h.internet.t.Helper()
	ip(h.internet.t, h.NS, "link delete dev "+h.Device)
	h.Inside, h.Inside6 = netip.Addr{}, netip.Addr{}
}

// Plug gives an unplugged host a new device in the inside network of a site or a carrier.
func (h *Host) Plug(s *Site) {
	s.internet.t.Helper()
	h.site, h.Device = s, fmt.Sprintf("eth%d", h.plugs)
	h.plugs++
	s.plug(h.NS, h.Device)
	h.Inside, h.Inside6 = s.address()
	var lines []string
	if h.Inside.IsValid() {
		lines = append(lines,
			fmt.Sprintf("address add %s/%d dev %s", h.Inside, s.Network.Bits(), h.Device),
			fmt.Sprintf("route add default via %s dev %s", s.gateway(), h.Device))
	}
	if h.Inside6.IsValid() {
		lines = append(lines, fmt.Sprintf("address add %s/64 dev %s nodad", h.Inside6, h.Device),
			"route add ::/0 via fe80::1 dev "+h.Device)
	}
	ip(s.internet.t, h.NS, lines...)
}

// Move is [Host.Unplug] and then [Host.Plug]: from the Wi-Fi at home to a mobile network.
func (h *Host) Move(to *Site) {
	h.internet.t.Helper()
	h.Unplug()
	h.Plug(to)
}
