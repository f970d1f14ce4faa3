// Package config reads a network's TOML file into one typed, validated struct.
//
// Use [Load] to get a [Config] that can be acted upon without further checks, [Diff] to learn what
// a reload would change, and [Config.Show] or [Example] to print one. Only commands import it; the
// other packages take small options of their own. Nothing here keeps state: everything may be
// called from any goroutine, and a Config is a plain value that its owner must not change once it
// is shared.
package config

import (
	"fmt"
	"net/netip"
	"time"
)

// A Config is one network's file with every default filled in. Two Configs are equal when
// [reflect.DeepEqual] says so.
type Config struct {
	Network   Network   `toml:"network"`
	Listen    Listen    `toml:"listen"`
	Segments  []Segment `toml:"segments"`
	Peers     []Peer    `toml:"peers"`
	Discovery Discovery `toml:"discovery"`
	Relay     Relay     `toml:"relay"`
	Security  Security  `toml:"security"`
	Control   Control   `toml:"control"`
	Metrics   Metrics   `toml:"metrics"`
	Log       Log       `toml:"log"`
}

// Network names the network and this node in it.
type Network struct {
	Name  string `toml:"name"`  // 1-32 of a-z 0-9 -; also the service instance and the socket's name
	Node  string `toml:"node"`  // "" is the short host name
	State string `toml:"state"` // a directory, or "auto"
}

// Listen says which UDP addresses are opened.
type Listen struct {
	Mesh       []ListenAddr `toml:"mesh"`  // empty: all addresses, the port derived from the node key
	VXLAN      []ListenAddr `toml:"vxlan"` // opened only when a segment has a plain leg
	Interfaces Interfaces   `toml:"interfaces"`
}

// Interfaces chooses by name, with * as in a shell, whose addresses are offered to peers.
type Interfaces struct {
	Allow []string `toml:"allow"`
	Deny  []string `toml:"deny"` // wins over Allow
}

// A Segment is one VXLAN segment: one learning switch with one local device.
type Segment struct {
	VNI       uint32     `toml:"vni"` // 1-16777215
	Peers     Members    `toml:"peers"`
	Device    Device     `toml:"device"`
	Userspace *Userspace `toml:"userspace"` // nil: the device offers nothing
	FDB       FDB        `toml:"fdb"`
	VXLAN     *VXLAN     `toml:"vxlan"` // nil: no plain leg
}

// Device is this machine's Ethernet port into a segment.
type Device struct {
	Kind      DeviceKind     `toml:"kind"`
	Name      string         `toml:"name"`
	MTU       MTU            `toml:"mtu"`
	MAC       MAC            `toml:"mac"`       // the zero MAC: derived from the node key and the VNI
	Bridge    string         `toml:"bridge"`    // "": join none
	Addresses []netip.Prefix `toml:"addresses"` // the zero Prefix is "auto": one of the network's own
}

// Userspace is what a device of kind "userspace" offers to the programs of this machine, and to the
// segment.
type Userspace struct {
	SOCKS   HostPort  `toml:"socks"`   // where a SOCKS5 proxy listens on this machine; "": nowhere
	Forward []Forward `toml:"forward"` // from this machine into the segment
	Publish []Publish `toml:"publish"` // from the segment to this machine
}

// FDB is how a segment's forwarding database learns and forgets.
type FDB struct {
	Ageing     time.Duration `toml:"ageing"` // 0: entries never age
	MaxEntries int           `toml:"max_entries"`
	MaxPerPort int           `toml:"max_per_port"` // at most MaxEntries
	Learn      bool          `toml:"learn"`
	Static     []Static      `toml:"static"`
}

// A Static entry pins a MAC to a peer or a VTEP; exactly one of the two is set.
type Static struct {
	MAC  MAC    `toml:"mac"`
	VLAN uint16 `toml:"vlan"` // 0: untagged
	Peer string `toml:"peer"`
	VTEP VTEP   `toml:"vtep"`
}

// VXLAN is the plain leg of a segment (RFC 7348).
type VXLAN struct {
	Remotes       []VTEP       `toml:"remotes"`
	Group         netip.Addr   `toml:"group"` // invalid: none
	Interface     string       `toml:"interface"`
	Local         netip.Addr   `toml:"local"` // source address; invalid: the system chooses
	SourcePort    SourcePort   `toml:"source_port"`
	TTL           TTL          `toml:"ttl"`
	TOS           TOS          `toml:"tos"`
	DF            DF           `toml:"df"`
	UDPChecksum   bool         `toml:"udp_checksum"`
	ReservedBits  ReservedBits `toml:"reserved_bits"`
	Flood         bool         `toml:"flood"`
	LearnNewVTEPs bool         `toml:"learn_new_vteps"`
}

// A Peer is a node that this file trusts by its key.
type Peer struct {
	Name      string        `toml:"name"`
	Key       Key           `toml:"key"`
	Endpoints []HostPort    `toml:"endpoints"`
	Relay     bool          `toml:"relay"` // it may relay for us
	Keepalive time.Duration `toml:"keepalive"`
}

// Discovery is how peers' addresses are found.
type Discovery struct {
	STUN    []HostPort `toml:"stun"` // empty: mesh nodes only
	LAN     bool       `toml:"lan"`
	Gossip  bool       `toml:"gossip"`
	Portmap bool       `toml:"portmap"`
}

// Relay is whether sealed datagrams go through third nodes, and how many through this one.
type Relay struct {
	Use   bool  `toml:"use"`
	Serve Serve `toml:"serve"`
	Limit Rate  `toml:"limit"`
}

// Security is who is trusted and how datagrams are sealed.
type Security struct {
	Identity string `toml:"identity"` // file in the state directory, or an absolute path
	Admit    Admit  `toml:"admit"`
	Cipher   Cipher `toml:"cipher"`
}

// Control is the local API's socket.
type Control struct {
	Socket string `toml:"socket"` // an absolute path, or "auto"
	Group  string `toml:"group"`  // group that may use it besides the owner
}

// Metrics is where Prometheus may ask.
type Metrics struct {
	Listen HostPort `toml:"listen"` // "": nowhere
}

// Log is what is logged, and how it looks.
type Log struct {
	Level  LogLevel  `toml:"level"`
	Format LogFormat `toml:"format"`
}

// Default gives the configuration that a file with nothing but network.name would have, without
// that name.
func Default() *Config {
	return &Config{
		Network: Network{State: "auto"},
		Listen: Listen{
			Mesh:  []ListenAddr{},
			VXLAN: []ListenAddr{{Port: VXLANPort}},
			Interfaces: Interfaces{
				Allow: []string{"*"},
				Deny:  []string{"docker*", "veth*", "br-*", "wg*", "tailscale0"},
			},
		},
		Segments: []Segment{},
		Peers:    []Peer{},
		Discovery: Discovery{
			STUN: []HostPort{"stun.cloudflare.com:3478", "stun.nextcloud.com:3478"},
			LAN:  true, Gossip: true, Portmap: true,
		},
		Relay:    Relay{Use: true, Serve: "auto", Limit: 50_000_000},
		Security: Security{Identity: "identity.key", Admit: "invited", Cipher: "auto"},
		Control:  Control{Socket: "auto"},
		Log:      Log{Level: "info", Format: "auto"},
	}
}

// setDefaults fills what the i-th [[segments]] has when the file is silent.
func (s *Segment) setDefaults(i int) {
	*s = Segment{
		Peers: Members{All: true},
		Device: Device{
			Kind: KindTAP, Name: fmt.Sprintf("vxm%d", i), Addresses: []netip.Prefix{},
		},
		FDB: FDB{
			Ageing: 5 * time.Minute, MaxEntries: 4096, MaxPerPort: 1024, Learn: true,
			Static: []Static{},
		},
	}
}

// setDefaults fills what a [segments.userspace] has when the file is silent.
func (u *Userspace) setDefaults(int) { *u = Userspace{Forward: []Forward{}, Publish: []Publish{}} }

// setDefaults fills what a [segments.vxlan] has when the file is silent.
func (v *VXLAN) setDefaults(int) {
	*v = VXLAN{
		Remotes: []VTEP{}, SourcePort: SourcePortHash, TTL: TTL{Value: 64}, DF: DFUnset,
		UDPChecksum: true, ReservedBits: ReservedReject, Flood: true,
	}
}

// setDefaults fills what a [[peers]] has when the file is silent.
func (p *Peer) setDefaults(int) {
	*p = Peer{Endpoints: []HostPort{}, Keepalive: 25 * time.Second}
}
