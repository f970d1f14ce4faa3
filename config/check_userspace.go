package config

import (
	"fmt"
	"net"
	"net/netip"
)

// checkUserspace refuses what only a device of kind "userspace" can offer, and what is offered twice.
// The table is at path.
func (d *document) checkUserspace(path string, s *Segment) {
	u := s.Userspace
	if u == nil {
		return
	}
	if s.Device.Kind != KindUserspace {
		d.checkOffersNothing(path, s)
		return
	}
	type port struct {
		network Transport
		number  uint16
	}
	seen := make(map[port]bool)
	for i, p := range u.Publish {
		k := port{p.Network, p.Port}
		if seen[k] && p.Port != 0 {
			d.report(fmt.Sprintf("%s.publish[%d]", path, i), "", "%s port %d is there twice", p.Network, p.Port)
		}
		seen[k] = true
	}
}

// checkOffersNothing is [document.checkUserspace] for a device of another kind.
func (d *document) checkOffersNothing(path string, s *Segment) {
	if d.bad[parent(path)+".device.kind"] {
		return // it may have been meant to be the right one
	}
	key := ""
	switch u := s.Userspace; {
	case u.SOCKS != "":
		key = ".socks"
	case len(u.Forward) > 0:
		key = ".forward"
	case len(u.Publish) > 0:
		key = ".publish"
	default:
		return
	}
	d.report(path+key, `that takes kind = "userspace" below [segments.device]`,
		"a device of kind %q offers nothing, as programs use it themselves", s.Device.Kind)
}

// checkLocals refuses to listen twice in one place of this machine.
func (d *document) checkLocals(c *Config) {
	type place struct {
		network Transport
		at      HostPort
	}
	seen := make(map[place]bool)
	check := func(path string, network Transport, at HostPort) {
		k := place{network, at}
		if seen[k] && at != "" {
			d.report(path, "", "%s %s is there twice", network, at)
		}
		seen[k] = true
	}
	check("metrics.listen", "tcp", c.Metrics.Listen)
	for i := range c.Segments {
		u := c.Segments[i].Userspace
		if u == nil {
			continue
		}
		path := fmt.Sprintf("segments[%d].userspace", i)
		check(path+".socks", "tcp", u.SOCKS)
		for j, f := range u.Forward {
			check(fmt.Sprintf("%s.forward[%d]", path, j), f.Network, f.Listen)
		}
	}
}

// A Warning is something that is allowed and rarely meant.
type Warning struct {
	Key     string `json:"key"`     // TOML path, list elements from 0
	Message string `json:"message"` // one sentence, lower case, no full stop
	Fix     string `json:"fix"`     // what to write instead
}

// Warnings lists what a person should know of a configuration that is valid.
func (c *Config) Warnings() []Warning {
	list := []Warning{}
	for i, s := range c.Segments {
		if s.Userspace == nil || s.Userspace.SOCKS == "" || s.Userspace.SOCKS.isLoopback() {
			continue
		}
		_, port, _ := net.SplitHostPort(string(s.Userspace.SOCKS))
		list = append(list, Warning{
			Key: fmt.Sprintf("segments[%d].userspace.socks", i),
			Message: fmt.Sprintf("vni %d: the SOCKS proxy listens on %s: whoever reaches that port gets into the segment",
				s.VNI, s.Userspace.SOCKS),
			Fix: fmt.Sprintf(`socks = "127.0.0.1:%s"`, port),
		})
	}
	return list
}

// isLoopback reports whether only this machine reaches it.
func (h HostPort) isLoopback() bool {
	host, _, _ := net.SplitHostPort(string(h))
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
