package session

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/flynn/noise"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// Options of an [Endpoint].
type Options struct {
	Key     PrivateKey
	ID      [32]byte // this node's id, told to peers
	Network [32]byte // the network's id: nodes of another network understand nothing
	Epoch   uint32   // greater at every start of the node

	// Secrets are the network's, see [Endpoint.SetSecrets]: without one of them nobody gets an answer.
	Secrets [][32]byte
	// Taken reports whether an index is another endpoint's that shares its sockets; nil: there is none.
	Taken func(index uint32) bool

	Ciphers  []Cipher // those this side takes; nil: both
	Hardware bool     // AES runs in hardware, see [HardwareAES]
	Caps     Caps

	// Certificate gives this node's certificate, at most [MaxCertificate] bytes, and Head the head
	// of its list of revocations, 40 bytes. Both are asked for every message; nil: there is none.
	Certificate, Head func() []byte

	Rand io.Reader // nil: the system's randomness
}

// An Endpoint is this node's side of every handshake. One goroutine at a time may use it, with its
// peers, except for Screen and Awaited.
type Endpoint struct {
	o        Options
	public   PublicKey
	keypair  noise.DHKey
	prologue []byte

	realms  atomic.Pointer[[]*realm] // by the network's secrets, newest first
	jar     jar
	claimed limiter // by addresses that may be anybody's
	proven  limiter // by those that are the sender's: nobody else can use up what they have
	load    bucket

	peers   map[PublicKey]*Peer
	indices map[uint32]*Peer // of attempts and transports, ours
	awaited awaited
}

// New makes an endpoint without peers.
func New(o Options) *Endpoint {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	public := o.Key.Public()
	e := &Endpoint{
		o: o, public: public,
		keypair:  noise.DHKey{Private: o.Key[:], Public: public[:]},
		prologue: append([]byte("vxmesh1"), o.Network[:]...),
		jar:      newJar(o.Rand),
		claimed:  limiter{buckets: map[netip.Prefix]bucket{}},
		proven:   limiter{buckets: map[netip.Prefix]bucket{}},
		load:     bucket{level: loadRate},
		peers:    map[PublicKey]*Peer{},
		indices:  map[uint32]*Peer{},
		awaited:  awaited{indices: map[uint32]bool{}},
	}
	e.realms.Store(new([]*realm))
	e.SetSecrets(o.Secrets)
	return e
}

// SetCaps changes what this side tells of its devices, from the next handshake on.
func (e *Endpoint) SetCaps(c Caps) { e.o.Caps = c }

// Public is this node's own public key.
func (e *Endpoint) Public() PublicKey { return e.public }

// Add makes a peer, which may answer and be called from now on.
func (e *Endpoint) Add(key PublicKey) (*Peer, error) {
	if key == e.public {
		return nil, errors.New("add peer: the key is this node's own")
	}
	if e.peers[key] != nil {
		return nil, fmt.Errorf("add peer: there is a peer with key %s already", key)
	}
	if _, err := noise.DH25519.DH(e.o.Key[:], key[:]); err != nil {
		return nil, fmt.Errorf("add peer: %s is no usable key: %w", key, err)
	}
	p := &Peer{e: e, key: key}
	e.peers[key] = p
	return p, nil
}

// Remove forgets a peer, whatever goes on with it. Its transports seal nothing more, and the owner
// must stop opening with them: [Peer.Expire] returns them. To remove it again does nothing, also when
// another peer has its key by then.
func (e *Endpoint) Remove(p *Peer) {
	p.abandon()
	for len(p.sessions) > 0 {
		p.drop(0)
	}
	p.series = series{}
	if e.peers[p.key] == p {
		delete(e.peers, p.key)
	}
}

// Screen reports whether a datagram is worth a [Endpoint.Receive]: a message 1 or 2 of the right
// length whose mac1 was made with one of the secrets, or what may be a cookie. Any goroutine may
// call it, also while SetSecrets runs; it does not allocate.
func (e *Endpoint) Screen(datagram []byte) bool {
	_, ok := e.screen(wire.KindOf(datagram), datagram)
	return ok
}

// screen is Screen, and gives the realm of a message 1 or 2. A cookie does not tell its own.
func (e *Endpoint) screen(kind wire.Kind, datagram []byte) (r *realm, ok bool) {
	if kind == wire.Junk || !wellFormed(kind, datagram) {
		return nil, false
	}
	if kind == wire.Cookie {
		return nil, true
	}
	r = e.realmOf(datagram)
	return r, r != nil
}

// Awaited reports whether a datagram that passed Screen is one that somebody waits for: a message
// 1, or what is for the latest message 1 of ours to a peer. Cookies have no mac1, so this is what
// keeps strangers from having Receive called as often as they like. Any goroutine may call it; it
// does not allocate.
func (e *Endpoint) Awaited(datagram []byte) bool {
	switch wire.KindOf(datagram) {
	case wire.Handshake2:
		return e.awaited.has(receiver(datagram))
	case wire.Cookie:
		return e.awaited.has(cookieReceiver(datagram))
	}
	return true
}

// An Event is something about a handshake that people should be told.
type Event uint8

// The events.
const (
	NoEvent        Event = iota
	OwnKey               // another machine uses this node's own key
	NoCommonCipher       // the peer takes none of our ciphers
	EpochBack            // the peer's boot epoch went back: its state was restored, or is used twice
	UnknownPeer          // a node that knows the network's secret and is no peer here
)

// A Claim is what a node said of itself in a handshake, under a seal that only the holder of Key
// can make.
type Claim struct {
	Key         PublicKey
	ID          [32]byte
	Epoch       uint32
	Head        [headLen]byte
	Certificate []byte
}

// A Result is what came of a handshake datagram.
type Result struct {
	Reply  []byte      // to be sent to where the datagram came from, at once; nil: nothing
	Peer   *Peer       // whose datagram it was; nil until it was authenticated
	New    *Transport  // the session it made: to send with at once if we began, else after Confirm
	Reason drop.Reason // None, RateLimit, CookieNeeded, Auth, Replay or NoSession
	Event  Event
	Claim  *Claim // with OwnKey and UnknownPeer
}

// Peer gives the peer with a key, or nil.
func (e *Endpoint) Peer(key PublicKey) *Peer { return e.peers[key] }

// Receive takes a handshake datagram. After UnknownPeer the owner may [Endpoint.Add] the peer and
// give the same datagram to [Endpoint.ReceiveAgain]. When New is a session that we began, the owner
// should send something with it at once and until an answer comes, so that the peer moves to it
// too.
func (e *Endpoint) Receive(now time.Duration, from netip.AddrPort, datagram []byte) Result {
	kind := wire.KindOf(datagram)
	r, ok := e.screen(kind, datagram)
	if !ok {
		return Result{Reason: drop.Auth}
	}
	switch kind {
	case wire.Handshake1:
		if over := e.limit(now, from, datagram, r); over.Reason != drop.None {
			return over
		}
		return e.receiveMessage1(now, from, datagram, r)
	case wire.Handshake2:
		return e.receiveMessage2(now, datagram)
	}
	return e.receiveCookie(datagram)
}

// ReceiveAgain is Receive for a message 1 that brought UnknownPeer just now: it was counted against
// what its sender may do already.
func (e *Endpoint) ReceiveAgain(now time.Duration, from netip.AddrPort, datagram []byte) Result {
	kind := wire.KindOf(datagram)
	r, ok := e.screen(kind, datagram)
	if !ok || kind != wire.Handshake1 {
		return Result{Reason: drop.Auth}
	}
	return e.receiveMessage1(now, from, datagram, r)
}

// suite is the handshake's own; it is not negotiated.
var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)

// handshake begins a Noise handshake in a realm, with the peer of this key, or, as the responder, with
// anybody.
func (e *Endpoint) handshake(r *realm, peer []byte) *noise.HandshakeState {
	return must(noise.NewHandshakeState(noise.Config{
		CipherSuite: suite, Random: e.o.Rand, Pattern: noise.HandshakeIK,
		Initiator: peer != nil, Prologue: e.prologue,
		PresharedKey: r.psk, PresharedKeyPlacement: 2,
		StaticKeypair: e.keypair, PeerStatic: peer,
	}))
}

// payload is what we say of ourselves.
func (e *Endpoint) payload() payload {
	p := payload{caps: e.o.Caps, epoch: e.o.Epoch, id: e.o.ID}
	if e.o.Certificate != nil {
		p.certificate = e.o.Certificate()
	}
	if e.o.Head != nil {
		copy(p.head[:], e.o.Head())
	}
	return p
}

// newIndex picks an index for the peer's use that no session has.
func (e *Endpoint) newIndex(p *Peer) uint32 {
	for {
		var b [4]byte
		fill(e.o.Rand, b[:])
		index := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		if e.o.Taken != nil && e.o.Taken(index) {
			continue
		}
		if index >= wire.MinIndex && e.indices[index] == nil {
			e.indices[index] = p
			return index
		}
	}
}
