package main

import (
	"cmp"
	"net"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
)

// meshListens are the UDP ports on which other nodes reach this one, and the addresses that the config
// names for them.
func meshListens(cfg *config.Config, id identity.Identity) []config.ListenAddr {
	if len(cfg.Listen.Mesh) > 0 {
		return cfg.Listen.Mesh
	}
	return []config.ListenAddr{{Port: id.Port()}}
}

// ownEndpoints are the addresses by which other nodes may reach this one: those of its interfaces
// that the config lets be offered, public ones first. Addresses within a segment, of its device or
// of the bridge that it is in, would lead the tunnel into itself and are left out.
func ownEndpoints(cfg *config.Config, id identity.Identity, most int) (out []netip.AddrPort) {
	addrs := interfacePrefixes(cfg)
	for _, l := range meshListens(cfg, id) {
		if l.Addr.IsValid() && !l.Addr.IsUnspecified() {
			out = append(out, netip.AddrPortFrom(l.Addr, l.Port))
			continue
		}
		for _, a := range addrs {
			if !l.Addr.IsValid() || l.Addr.Is6() == a.Addr().Is6() {
				out = append(out, netip.AddrPortFrom(a.Addr(), l.Port))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b netip.AddrPort) int {
		return cmp.Compare(rankOf(a.Addr()), rankOf(b.Addr()))
	})
	out = slices.Compact(out)
	return out[:min(len(out), most)]
}

// rankOf orders addresses by how many machines may reach them.
func rankOf(a netip.Addr) int {
	switch {
	case a.IsPrivate():
		return 1
	case a.IsLoopback():
		return 2
	}
	return 0
}

// interfacePrefixes are the addresses of this machine's interfaces that may be offered, with their
// networks.
func interfacePrefixes(cfg *config.Config) (out []netip.Prefix) {
	links, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, link := range links {
		if link.Flags&net.FlagUp == 0 || link.Flags&net.FlagLoopback != 0 || !offered(cfg, link.Name) {
			continue
		}
		addrs, err := link.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && p.Addr().IsGlobalUnicast() {
				out = append(out, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
			}
		}
	}
	return out
}

// offered reports whether the addresses of an interface may be told to others.
func offered(cfg *config.Config, name string) bool {
	for _, s := range cfg.Segments {
		if s.Device.Kind.IsSystems() && name == s.Device.Name || name == s.Device.Bridge {
			return false
		}
	}
	matches := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			ok, err := filepath.Match(p, name)
			return err == nil && ok
		})
	}
	i := cfg.Listen.Interfaces
	return matches(i.Allow) && !matches(i.Deny)
}
