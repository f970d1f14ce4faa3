package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/userspace"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// engineOptions says what the engine has to do for a config.
func engineOptions(cfg *config.Config, id *nodeIdentity) tunnel.Options {
	o := tunnel.Options{
		Network: cfg.Network.Name, Name: nodeName(cfg), Seed: id.Seed(),
		Listen: listenAddrs(cfg.Listen.VXLAN), Mesh: meshOptions(cfg, id), Relay: relayOptions(cfg),
		Discovery: tunnel.DiscoveryOptions{
			Watch: true, LAN: cfg.Discovery.LAN, Portmap: cfg.Discovery.Portmap,
			Offered: func(name string) bool { return offered(cfg, name) },
		},
		OpenDevice: openDevice,
	}
	for i := range cfg.Segments {
		o.Segments = append(o.Segments, segmentOptions(&cfg.Segments[i], cfg.Peers))
	}
	return o
}

// listenAddrs gives the addresses to bind: for a port alone those of both families.
func listenAddrs(from []config.ListenAddr) (to []netip.AddrPort) {
	for _, l := range from {
		if l.Addr.IsValid() {
			to = append(to, netip.AddrPortFrom(l.Addr, l.Port))
			continue
		}
		to = append(to, netip.AddrPortFrom(netip.IPv4Unspecified(), l.Port),
			netip.AddrPortFrom(netip.IPv6Unspecified(), l.Port))
	}
	return to
}

// ciphers are the config's words for the data ciphers that are allowed.
var ciphers = map[config.Cipher][]session.Cipher{
	"auto":              nil,
	"aegis-256x2":       {session.AEGIS256X2},
	"aes-256-gcm":       {session.AES256GCM},
	"chacha20-poly1305": {session.ChaCha20Poly1305},
}

// checkCipher refuses a cipher by name that this machine cannot do: no peer would ever be reached.
func checkCipher(c config.Cipher, supported func(session.Cipher) bool) error {
	wanted := ciphers[c]
	if wanted == nil || slices.ContainsFunc(wanted, supported) {
		return nil
	}
	return &cmdError{
		code: exitConfig, err: fmt.Errorf("security.cipher: this processor cannot do %s, which takes x86 with VAES", c),
		hints: []string{`let each pair of nodes choose   security.cipher = "auto"`},
	}
}

func meshOptions(cfg *config.Config, id *nodeIdentity) tunnel.MeshOptions {
	listen := cfg.Listen.Mesh
	if len(listen) == 0 {
		listen = []config.ListenAddr{{Port: id.Port()}}
	}
	o := tunnel.MeshOptions{
		Key: id.PrivateKey(), ID: id.ID(), Epoch: id.epoch, Rebind: len(cfg.Listen.Mesh) == 0,
		Listen: listenAddrs(listen), Ciphers: ciphers[cfg.Security.Cipher],
		Local: func() []netip.Prefix { return interfacePrefixes(cfg) },
	}
	for _, s := range cfg.Discovery.STUN {
		o.STUN = append(o.STUN, string(s))
	}
	for _, p := range cfg.Peers {
		peer := tunnel.PeerOptions{Name: p.Name, Key: [32]byte(p.Key), Keepalive: p.Keepalive, Relay: p.Relay}
		for _, e := range p.Endpoints {
			peer.Endpoints = append(peer.Endpoints, string(e))
		}
		o.Peers = append(o.Peers, peer)
	}
	if id.member != nil {
		o.Membership = memberOptions(cfg, id)
	}
	return o
}

// relayOptions says what the node passes on for others.
func relayOptions(cfg *config.Config) tunnel.RelayOptions {
	r := cfg.Relay
	return tunnel.RelayOptions{
		Serve: r.Serve == "true", Auto: r.Serve == "auto", Limit: uint64(r.Limit), Use: r.Use,
	}
}

// nodeName is this node's name: the config's, or the host's without its domain.
func nodeName(cfg *config.Config) string {
	if cfg.Network.Node != "" {
		return cfg.Network.Node
	}
	host, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	name, _, _ := strings.Cut(host, ".")
	return name
}

// kinds are the config's words for the devices that the system has.
var kinds = map[config.DeviceKind]tundev.Kind{
	config.KindTAP: tundev.TAP, config.KindTUN: tundev.TUN, config.KindUserspace: tundev.Userspace,
}

// openDevice opens a device of any kind: only programs that want a stack of their own link one.
func openDevice(o tundev.Options) (tundev.Device, error) {
	if o.Kind == tundev.Userspace {
		return userspace.Open(o)
	}
	return tundev.Open(o)
}

func segmentOptions(s *config.Segment, peers []config.Peer) tunnel.SegmentOptions {
	o := tunnel.SegmentOptions{
		VNI: s.VNI,
		Device: tunnel.DeviceOptions{
			None: s.Device.Kind == config.KindNone, Kind: kinds[s.Device.Kind], Name: s.Device.Name, MTU: int(s.Device.MTU), MAC: ether.MAC(s.Device.MAC),
			Bridge: s.Device.Bridge,
		},
		All: s.Peers.All,
		FDB: bridge.Options{
			Ageing: s.FDB.Ageing, MaxEntries: s.FDB.MaxEntries, MaxPerPort: s.FDB.MaxPerPort,
			Learn: s.FDB.Learn,
		},
		Plain: plainOptions(s.VXLAN),
	}
	for _, a := range s.Device.Addresses {
		if a.IsValid() {
			o.Device.Addresses = append(o.Device.Addresses, a)
		} else {
			o.Device.Auto = true
		}
	}
	o.Peers = s.Peers.Names
	for _, p := range peers {
		if s.Peers.All {
			o.Peers = append(o.Peers, p.Name)
		}
	}
	for _, e := range s.FDB.Static {
		o.Static = append(o.Static, tunnel.StaticEntry{
			MAC: ether.MAC(e.MAC), VLAN: e.VLAN, Peer: e.Peer, VTEP: e.VTEP.AddrPort,
		})
	}
	return o
}

// dfPolicies are the config's words for the outer DF bit.
var dfPolicies = map[config.DF]vxlan.DF{
	config.DFUnset: vxlan.DFUnset, config.DFSet: vxlan.DFSet, config.DFInherit: vxlan.DFInherit,
}

func plainOptions(v *config.VXLAN) tunnel.PlainOptions {
	if v == nil {
		return tunnel.PlainOptions{}
	}
	o := tunnel.PlainOptions{
		Group: v.Group, Interface: v.Interface, Local: v.Local,
		FixedPort:      v.SourcePort == config.SourcePortFixed,
		Outer:          vxlan.Outer{TTL: int(v.TTL.Value), TOS: int(v.TOS.Value), DF: dfPolicies[v.DF]},
		NoChecksum:     !v.UDPChecksum,
		IgnoreReserved: v.ReservedBits == config.ReservedIgnore,
		Flood:          v.Flood,
		LearnVTEPs:     v.LearnNewVTEPs,
	}
	if v.TTL.Inherit {
		o.Outer.TTL = vxlan.Inherit
	}
	if v.TOS.Inherit {
		o.Outer.TOS = vxlan.Inherit
	}
	for _, r := range v.Remotes {
		o.Remotes = append(o.Remotes, r.AddrPort)
	}
	return o
}

// keepRestartKeys gives the new config with the values of the running one where they only change
// with a restart, so that what runs is never half of each.
func keepRestartKeys(running, file *config.Config) *config.Config {
	next := *file
	next.Network, next.Listen, next.Control = running.Network, running.Listen, running.Control
	next.Security.Identity = running.Security.Identity
	next.Security.Cipher = running.Security.Cipher
	next.Log.Format = running.Log.Format
	next.Segments = append([]config.Segment(nil), file.Segments...)
	for i := range next.Segments {
		for j := range running.Segments {
			if running.Segments[j].VNI == next.Segments[i].VNI {
				d := running.Segments[j].Device
				if next.Segments[i].Device.Kind != d.Kind {
					next.Segments[i].Userspace = running.Segments[j].Userspace // goes with the kind
				}
				next.Segments[i].Device.Kind = d.Kind
				next.Segments[i].Device.Name = d.Name
				next.Segments[i].Device.MAC = d.MAC
			}
		}
	}
	return &next
}
