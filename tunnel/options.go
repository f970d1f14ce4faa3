package tunnel

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// Options is what a [Node] is made of. They must be valid: whoever reads them from a file checks.
type Options struct {
	Network   string
	Name      string           // this node's
	Seed      []byte           // what the devices' stable addresses are derived from
	Listen    []netip.AddrPort // the VXLAN sockets; an unspecified address stands for its family
	Mesh      MeshOptions
	Relay     RelayOptions
	Discovery DiscoveryOptions
	Segments  []SegmentOptions

	Log    *slog.Logger // nil discards
	Events *control.Hub // nil tells nobody

	// OpenDevice opens a segment's device; nil is [tundev.Open].
	OpenDevice func(tundev.Options) (tundev.Device, error)
	// ListenUDP opens a socket; nil is [udp.Listen].
	ListenUDP func(netip.AddrPort, udp.Options) (udp.Conn, error)
	// Probe asks in a device's segment who has an address; nil is [tundev.Probe].
	Probe func(ctx context.Context, device string, a netip.Addr) (ether.MAC, error)
	// Now is the time since any origin, suspend included; nil is the system's boot time.
	Now func() time.Duration
	// Alive is called every few seconds while every loop does its work or waits for some, by one goroutine
	// at a time; nil tells nobody.
	Alive func()
	// Guard is deferred by every goroutine of the engine, first of all, and so sees its panic; nil leaves that
	// to the runtime.
	Guard func()
	// Lookup resolves endpoints, host:port each; nil asks the system's resolver.
	Lookup func(ctx context.Context, endpoints []string) ([]netip.AddrPort, error)
}

// MeshOptions is who this node is to its peers, and who they are.
type MeshOptions struct {
	Key     session.PrivateKey
	ID      [32]byte         // the node's
	Epoch   uint32           // greater than at any start before
	Listen  []netip.AddrPort // opened when there are peers
	Ciphers []session.Cipher // allowed; nil allows all
	Peers   []PeerOptions
	Rebind  bool     // the port is nobody's wish: another may be tried when nothing comes
	STUN    []string // host:port of servers to ask when too few peers say where this node is

	// Local gives the addresses of this machine that others may be told, with their networks; nil is
	// none.
	Local func() []netip.Prefix

	Membership *MembershipOptions // nil: nobody but Peers
}

// PeerOptions is one peer.
type PeerOptions struct {
	Name      string
	Key       session.PublicKey
	Endpoints []string      // host:port
	Keepalive time.Duration // 0: the session is kept only while there is traffic
	Relay     bool          // it passes on what others send each other

	member *roster.Member // whose certificate this is from; nil: the config's
}

// SegmentOptions is one segment.
type SegmentOptions struct {
	VNI    uint32
	Device DeviceOptions
	FDB    bridge.Options
	Static []StaticEntry
	Peers  []string // names of those who are in the segment too
	All    bool     // every member whose certificate lets it
	Plain  PlainOptions
}

// DeviceOptions is a segment's device.
type DeviceOptions struct {
	None      bool // no interface at all: a relay, or a hub between VTEPs and peers
	Kind      tundev.Kind
	Name      string
	MTU       int       // bytes of IP packet; 0 takes what the underlay leaves
	MAC       ether.MAC // zero: derived from the seed and the VNI
	Bridge    string
	Addresses []netip.Prefix
	Auto      bool // a host of the network's pool besides, which no other has
}

// A StaticEntry pins an address to a peer, or to a VTEP.
type StaticEntry struct {
	MAC  ether.MAC
	VLAN uint16
	Peer string // a name, or ""
	VTEP netip.AddrPort
}

// PlainOptions is a segment's RFC 7348 leg; the zero value is none.
type PlainOptions struct {
	Remotes        []netip.AddrPort // head-end replication
	Group          netip.Addr       // multicast group for broadcast and unknown destinations
	Interface      string           // to leave by; required with Group
	Local          netip.Addr       // source address; the zero Addr lets the system choose
	FixedPort      bool             // send from the listening port instead of a pool by flow
	Outer          vxlan.Outer
	NoChecksum     bool // leave the outer UDP checksum zero
	IgnoreReserved bool // accept reserved bits, as RFC 7348 says, instead of rejecting them
	Flood          bool // broadcast and unknown destinations go to every remote
	LearnVTEPs     bool // a source that is not listed becomes a VTEP; with Group always so
}

// exist reports whether there is such a leg.
func (o *PlainOptions) exist() bool { return o.Outer.TTL != 0 }

// admitsAnyone reports whether sources that are not listed are accepted. Who is in a multicast
// group is known to nobody, so a group implies it.
func (o *PlainOptions) admitsAnyone() bool { return o.LearnVTEPs || o.Group.IsValid() }

// maxLearnedVTEPs bounds how many unlisted sources a segment remembers at once.
const maxLearnedVTEPs = 1024

// learnedVTEPIdle is how long an unlisted source is remembered after its last datagram.
const learnedVTEPIdle = 10 * time.Minute
