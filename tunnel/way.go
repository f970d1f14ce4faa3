package tunnel

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// Ways to other nodes: an address, from one of the mesh sockets, or a relay.

var (
	errWornOut = errors.New("the session's keys are used up")
	errNoRelay = errors.New("the relay cannot be reached")
	errClosed  = errors.New("the socket that it went out by is closed")
)

// tag is what relays call the peer.
func (p *peer) tag() nat.Tag { return tagOf(p.key) }

func tagOf(key session.PublicKey) nat.Tag { return nat.Tag(key[:len(nat.Tag{})]) }

// socket gives a mesh socket by its number, nil when there is none. Any goroutine may call it.
func (m *mesh) socket(number uint8) *socket {
	if list := m.opened.Load(); list != nil && int(number) < len(*list) {
		return (*list)[number]
	}
	return nil
}

// wayTo is the way to an address, from the first socket of its family; false when there is none.
func (m *mesh) wayTo(to netip.AddrPort) (nat.Way, bool) {
	first := 0
	if m.ports.spare {
		first = m.ports.homes
	}
	for i, s := range m.sockets[first:] {
		if s.Is6() == to.Addr().Is6() {
			return nat.Way{Socket: uint8(first + i), Addr: to}, true
		}
	}
	return nat.Way{}, false
}

// tagged gives the peer with a tag, or nil. Any goroutine may call it.
func (m *mesh) tagged(t nat.Tag) *peer { return (*m.tags.Load())[t] }

// publishTags tells the loops which peers there are. Of two with one tag neither is found.
func (m *mesh) publishTags() {
	next := make(map[nat.Tag]*peer, len(m.peers))
	for _, p := range m.peers {
		if _, twice := next[p.tag()]; twice {
			next[p.tag()] = nil
			continue
		}
		next[p.tag()] = p
	}
	m.tags.Store(&next)
}

// transmit sends one datagram by a way to the node with a tag. Any goroutine may call it.
func (m *mesh) transmit(w nat.Way, to nat.Tag, datagram []byte) error {
	return m.transmitTTL(w, to, datagram, meshTTL)
}

func (m *mesh) transmitTTL(w nat.Way, to nat.Tag, datagram []byte, ttl uint8) error {
	if !w.Direct() {
		return m.transmitRelayed(w.Relay, to, datagram)
	}
	sock := m.socket(w.Socket)
	if sock == nil {
		return errClosed
	}
	msg := [1]udp.Message{{To: w.Addr, Data: datagram, TTL: ttl}}
	sock.Write(msg[:], meshMode)
	m.captureControl(&msg[0], to, sock)
	if msg[0].Failed == 0 {
		sock.tx.add(1, len(datagram))
	}
	return msg[0].Err
}

// transmitRelayed has a relay pass a datagram on.
func (m *mesh) transmitRelayed(relay, to nat.Tag, datagram []byte) error {
	r := m.tagged(relay)
	if r == nil {
		return errNoRelay
	}
	snd := r.send.Load()
	if snd == nil || !snd.direct() {
		return errNoRelay
	}
	plain := make([]byte, wire.RelayLen, wire.RelayLen+len(datagram))
	wire.PutRelay(plain, wire.TypeRelay, to)
	_, err := r.sendControl(snd.t, snd.way, append(plain, datagram...))
	return err
}

// sendControl seals a control message with t, a session of the peer, and sends it. It gives the
// number of datagrams of t that were sent before it. Any goroutine may call it.
func (p *peer) sendControl(t *session.Transport, w nat.Way, plain []byte) (uint64, error) {
	counter, ok := t.Reserve(1)
	if !ok {
		return 0, errWornOut
	}
	dg := make([]byte, wire.Overhead+len(plain))
	wire.Header{Index: t.RemoteIndex(), Counter: counter, Last: true}.Put(dg)
	t.Seal(dg, plain)
	p.txDatagrams.Add(1)
	if snd := p.send.Load(); snd != nil && snd.way == w {
		p.toldAt.Store(int64(p.n.now()))
	}
	return counter, p.n.mesh.transmit(w, p.tag(), dg)
}

// tell sends a control message by the peer's path, if there is one.
func (p *peer) tell(t *session.Transport, message []byte) {
	if p.path != nil {
		_, _ = p.sendControl(t, p.path.way, message) // what matters is said again
	}
}

// relayed is the sender for datagrams that the relay of a path passes on; false while it cannot be
// reached itself.
func (m *mesh) relayed(relay nat.Tag) (*peer, *sender) {
	r := m.tagged(relay)
	if r == nil {
		return nil, nil
	}
	snd := r.send.Load()
	if snd == nil || !snd.direct() {
		return nil, nil
	}
	return r, snd
}

// name is a way in words.
func (m *mesh) name(w nat.Way) string {
	if w.Direct() {
		return w.Addr.String()
	}
	if r := m.tagged(w.Relay); r != nil {
		return "via " + r.name
	}
	return w.String()
}

// origin is an address that stands for where a datagram came from when handshakes are counted: what
// comes through a relay is counted for who sent it, which is given an address that nobody has (100::/16 is
// for discarding, RFC 6666).
func (e *meshEvent) origin() netip.AddrPort {
	if e.way.Direct() {
		return e.way.Addr
	}
	var ip [16]byte
	ip[0] = 1
	copy(ip[2:], e.source[:])
	return netip.AddrPortFrom(netip.AddrFrom16(ip), uint16(e.way.Relay[0])<<8|uint16(e.way.Relay[1])|1)
}

// publishSockets tells the loops which sockets there are, and where they listen.
func (m *mesh) publishSockets() {
	list := slices.Clone(m.sockets)
	m.opened.Store(&list)
	addrs := make([]netip.AddrPort, len(list))
	for i, s := range list {
		addrs[i] = s.LocalAddr()
	}
	m.listens.Store(&addrs)
}
