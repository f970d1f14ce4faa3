package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/proxy"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// services are what the config wants to be offered.
func services(cfg *config.Config) (list []proxy.Service) {
	for _, s := range cfg.Segments {
		if s.Userspace == nil || s.Device.Kind != config.KindUserspace {
			continue
		}
		if s.Userspace.SOCKS != "" {
			list = append(list, proxy.Service{
				VNI: s.VNI, Kind: proxy.SOCKS, Network: "tcp", Listen: string(s.Userspace.SOCKS),
			})
		}
		for _, f := range s.Userspace.Forward {
			list = append(list, proxy.Service{
				VNI: s.VNI, Kind: proxy.Forward, Network: string(f.Network),
				Listen: string(f.Listen), To: string(f.To),
			})
		}
		for _, p := range s.Userspace.Publish {
			list = append(list, proxy.Service{
				VNI: s.VNI, Kind: proxy.Publish, Network: string(p.Network),
				Listen: fmt.Sprintf(":%d", p.Port), To: string(p.To),
			})
		}
	}
	return list
}

// prepareProxies opens what a config wants to be offered.
func (d *daemon) prepareProxies(cfg *config.Config) (*proxy.Change, error) {
	change, err := d.proxies.Prepare(services(cfg))
	if errors.Is(err, syscall.EADDRINUSE) {
		e := control.Errorf(control.CodeConflict, "%v", err)
		e.Fix = []string{
			"see who holds the port     ss -lnptu",
			"or take another            [segments.userspace]",
		}
		return nil, e
	}
	return change, err
}

// reviveProxies has the services of the running config listen again where a refused reload has cost
// them their stack.
func (d *daemon) reviveProxies() {
	if change, err := d.prepareProxies(d.cfg); err == nil {
		change.Commit()
	}
}

// proxyStats counts what is offered.
func (d *daemon) proxyStats() (list []control.ProxyStats) {
	for _, s := range d.proxies.Stats() {
		list = append(list, control.ProxyStats{
			VNI: s.VNI, Kind: string(s.Kind), Protocol: s.Network, Listen: s.Listen, To: s.To,
			Open: s.Open, Total: s.Total, Refused: s.Refused, Failed: s.Failed,
			RxBytes: s.RxBytes, TxBytes: s.TxBytes,
		})
	}
	return list
}

// memberAddrs gives the addresses that a member has in a segment, by its name or by that with the
// network's behind it, as `hosts` prints them.
func (d *daemon) memberAddrs(vni uint32, name string) (addrs []netip.Addr) {
	if d.id.member == nil {
		return nil
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	name = strings.TrimSuffix(name, "."+d.id.member.Name())
	for _, m := range d.node.Roster() {
		if m.Record == nil || !strings.EqualFold(m.Name, name) {
			continue
		}
		for _, o := range m.Record.Overlay {
			if o.VNI == vni && o.Prefix.Addr().IsGlobalUnicast() {
				addrs = append(addrs, o.Prefix.Addr())
			}
		}
	}
	return addrs
}
