package main

import (
	"fmt"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A sheet has a line for each thing, its name before it.
type sheet struct{ strings.Builder }

func (s *sheet) line(name, format string, args ...any) {
	fmt.Fprintf(s, "%-14s %s\n", name, fmt.Sprintf(format, args...))
}

func netcheckText(n control.Netcheck) string {
	s := new(sheet)
	s.line("UDP", "%s", udpText(n))
	s.family("IPv4", n.IPv4)
	s.line("port mapping", "%s", mappingText(n))
	s.family("IPv6", n.IPv6)
	if len(n.LAN) > 0 {
		s.line("LAN", "%s", list(n.LAN, func(p control.LANPeer) string { return p.Name + " (" + p.Address + ")" }))
	}
	s.line("reflectors", "%-31s STUN servers: %s", reflectorsText(n.Reflectors), stunTexts[n.STUN])
	if n.Node {
		s.line("relays", "%s", relaysText(n))
		s.peers(n.Peers)
	}
	if len(n.LeftOut) > 0 {
		s.WriteString("\nNot found out:\n")
	}
	for _, sentence := range n.LeftOut {
		fmt.Fprintf(s, "  %s\n", sentence)
	}
	return s.String()
}

// list is all of a list in words; "none" when there is nothing.
func list[T any](all []T, text func(T) string) string {
	var words []string
	for _, v := range all {
		words = append(words, text(v))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

var stunTexts = map[control.STUNUse]string{
	control.STUNOff: "none in the config", control.STUNNotNeeded: "not needed", control.STUNAsked: "asked",
}

func udpText(n control.Netcheck) string {
	switch n.UDP {
	case control.No:
		return "no    " + blockedText(n)
	case control.Unknown:
		return "not tested"
	}
	text := "yes"
	for _, f := range []struct {
		name string
		control.NetFamily
	}{{"IPv4", n.IPv4}, {"IPv6", n.IPv6}} {
		if f.UDP == control.Yes && len(f.Outside) > 0 {
			text += "   " + f.name + " " + strings.Join(f.Outside, ", ")
		}
	}
	return text
}

// blockedText says how it shows that no UDP gets out.
func blockedText(n control.Netcheck) string {
	for _, f := range []control.NetFamily{n.IPv4, n.IPv6} {
		if f.UDP == control.No && f.Reason == "" {
			return "nobody who was asked answers: a firewall seems to block it"
		}
	}
	if n.IPv4.UDP == control.No {
		return n.IPv4.Reason
	}
	return n.IPv6.Reason
}

// family is a line about one family of addresses.
func (s *sheet) family(name string, f control.NetFamily) {
	nat := f.Mapping == control.MappingIndependent || f.Mapping == control.MappingVaries
	if nat {
		name += " NAT"
	}
	switch {
	case f.UDP == control.Yes:
		text := natText(f) + strangersText(f)
		if class := netClassTexts[f.Class]; class != "" {
			text = fmt.Sprintf("%-55s (%s)", text, class)
		}
		s.line(name, "%s", text)
	case len(f.Addresses) == 0:
		s.line(name, "no address")
	case f.UDP == control.No && f.Reason != "":
		s.line(name, "%s", f.Reason)
	case f.UDP == control.No:
		s.line(name, "nothing comes back")
	default:
		s.line(name, "not tested: nobody is known who could be asked")
	}
}

var netClassTexts = map[control.NetClass]string{
	control.ClassOpen: "open: direct with everybody",
	control.ClassEasy: "easy: direct with all but random-port NATs",
	control.ClassHard: "hard: direct only with those whom strangers reach",
}

func natText(f control.NetFamily) string {
	switch {
	case f.Mapping == control.MappingNone:
		return "no NAT"
	case f.Mapping == control.MappingIndependent && f.PortKept:
		return "mapping independent, port kept"
	case f.Mapping == control.MappingIndependent:
		return "mapping independent, port changed"
	case f.Mapping == control.MappingVaries && f.Step != 0:
		return fmt.Sprintf("mapping varies, ports counted by %d", f.Step)
	case f.Mapping == control.MappingVaries:
		return "mapping varies, ports at random"
	}
	return "mapping not known"
}

func strangersText(f control.NetFamily) string {
	switch f.Strangers {
	case control.FilteringOpen:
		return ", strangers get in"
	case control.FilteringAddress:
		return ", strangers blocked by address"
	case control.FilteringBlocked:
		return ", strangers blocked"
	}
	return ""
}

func mappingText(n control.Netcheck) string {
	m := n.PortMapping
	if !m.Tested && m.Protocol == "" {
		return "not tested: off, or there is no router that could be asked"
	}
	if !m.PCP && !m.NATPMP && !m.UPnP && m.Protocol == "" {
		return "the router offers none"
	}
	var words []string
	for _, p := range []struct {
		name, protocol string
		speaks         bool
	}{{"PCP", "pcp", m.PCP}, {"UPnP", "upnp", m.UPnP}, {"NAT-PMP", "nat-pmp", m.NATPMP}} {
		switch {
		case p.protocol == m.Protocol:
			words = append(words, p.name+" yes ("+mappedText(m)+")")
		case p.speaks:
			words = append(words, p.name+" yes")
		default:
			words = append(words, p.name+" no")
		}
	}
	text := strings.Join(words, "   ")
	if m.External != "" && len(n.IPv4.Outside) > 0 && !strings.HasPrefix(n.IPv4.Outside[0]+":", m.External+":") {
		text += "   (the router's outer address is " + m.External + ": there is another NAT behind it)"
	}
	return text
}

// mappedText is the node's port on the router.
func mappedText(m control.PortMapping) string {
	text := m.Mapped
	if !m.Until.IsZero() {
		text += " until " + m.Until.Local().Format("15:04")
	}
	if m.Verified {
		text += ", strangers get in"
	}
	return text
}

func reflectorsText(all []control.Reflector) string {
	return list(all, func(r control.Reflector) string { return r.Name + " " + milliseconds(r.RTTSeconds) })
}

func relaysText(n control.Netcheck) string {
	text := list(n.Relays, func(r control.Relay) string {
		text := r.Name + " " + milliseconds(r.RTTSeconds)
		if r.Users > 0 {
			text += " (in use by " + plural(r.Users, "peer", "peers") + ")"
		}
		return text
	})
	if n.Relaying {
		text += "; this node is one for others"
	}
	return text
}

// peers says how many are reached directly, and why the others are not.
func (s *sheet) peers(peers []control.NetPeer) {
	direct, width := 0, 0
	for _, p := range peers {
		if p.State == control.PeerDirect {
			direct++
		} else {
			width = max(width, len(p.Name))
		}
	}
	s.line("peers", "%d of %d reached directly", direct, len(peers))
	for _, p := range peers {
		if p.State == control.PeerDirect {
			continue
		}
		text := string(p.State)
		if p.Via != "" {
			text += " via " + p.Via + " " + milliseconds(p.RTTSeconds)
		}
		text += ", because " + p.Because
		if p.Fix != "" {
			text += "; would be direct with " + p.Fix
		}
		s.line("peer", "%-*s   %s", width, p.Name, text)
	}
}
