package tunnel

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
)

// A peer is another node: what the loops need of it, and below what the mesh keeps about it.
type peer struct {
	party
	n   *Node
	key session.PublicKey

	send    atomic.Pointer[sender] // nil while frames cannot be sent
	sentAt  atomic.Int64           // node time of the last frame to it
	toldAt  atomic.Int64           // node time of the last control message to it over its path
	heard   atomic.Int64           // node time of the last authentic datagram from it
	heardOn atomic.Int64           // and of the last by the way in use
	big     atomic.Bool            // large datagrams went out since the mesh looked last
	wanted  atomic.Bool            // somebody had a frame for it, and there was no session
	roamed  atomic.Int64           // node time of the last hint that it has another address

	sources atomic.Pointer[sources] // of the frames it may send; nil: any

	held held // frames that wait for a session

	rxDatagrams atomic.Uint64 // authentic ones
	txDatagrams atomic.Uint64

	refusals bucket // of what it is told as the client of a relay, under the desk's lock
	limits   bucket // and of how often that there is too much to pass on

	// Owned by the mesh, under its lock.
	options    PeerOptions
	paused     bool           // nothing goes to it and nothing comes from it; it has no session
	member     *roster.Member // nil for one that the config lists, and for joiners
	heardOf    heardOf
	arrived    time.Duration // of a joiner
	leaves     time.Duration // when a joiner has to go
	asking     bool          // a joiner's redemption is being judged
	session    *session.Peer
	endpoints  []netip.AddrPort  // what the configured ones resolved to
	tried      []nat.Way         // by which the handshake under way was sent
	agent      *nat.Agent        // finds the ways
	path       *path             // the way that frames take; nil while none is proven
	paths      map[nat.Way]*path // those that were in use
	call       call
	limited    limited // as a relay
	knock      knock
	epoch      uint32 // of the peer's start that the ways lead to
	pings      pings
	state      control.PeerState
	reason     string
	since      time.Time
	conflict   conflict
	lookup     string             // why names did not resolve; "" when they did
	results    map[nat.Way]result // of the last attempt
	answered   answered
	handshakes uint64 // that came to an agreement
}

func newPeer(n *Node, o PeerOptions, s *session.Peer) *peer {
	return &peer{
		party: party{name: o.Name}, n: n, key: o.Key, session: s, pings: make(pings), agent: new(nat.Agent), paths: make(map[nat.Way]*path),
		results: make(map[nat.Way]result), state: "down", reason: "no_answer", since: n.wall(),
	}
}

// A result is what became of an attempt to reach a peer at an address.
type result struct {
	state control.CandidateState
	words string
}

// A sender is all that the loops need to send to a peer. It is immutable.
type sender struct {
	t       *session.Transport
	way     nat.Way
	sock    *socket // of the way, or of that to its relay
	to      netip.AddrPort
	source  netip.Addr // our own address, if it is known
	payload int        // bytes of plaintext that fit a datagram
	caps    session.Caps

	via  *peer              // the relay, nil for a direct way
	viaT *session.Transport // the session with it
	tag  nat.Tag            // what it calls the peer
}

// direct reports whether nobody has to pass on what is sent.
func (s *sender) direct() bool { return s.via == nil }

// takes reports whether the peer's devices finish a frame with this metadata themselves.
func (s *sender) takes(meta offload.Header) bool { return takes(s.caps, meta) }

func takes(caps session.Caps, meta offload.Header) bool {
	switch {
	case meta == (offload.Header{}):
		return true
	case !meta.IsSuper():
		return caps&session.CapCsum != 0
	case meta.GSOType == offload.GSOUDPL4:
		return caps&session.CapUSO != 0
	}
	return caps&session.CapTSO != 0
}

// want tells the mesh that there is a frame for the peer and no session.
func (p *peer) want() {
	if !p.wanted.Swap(true) {
		p.n.mesh.wake()
	}
}

// noteBig tells that datagrams about as large as the path carries were sent, so that the mesh makes sure
// that they still arrive.
func (p *peer) noteBig() {
	if !p.big.Load() {
		p.big.Store(true)
	}
}
