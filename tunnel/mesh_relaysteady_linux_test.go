package tunnel

import (
	"net"
	"testing"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// stillRelay is a node that does not run, with two peers: one as stillMesh has it, which is reached
// through the other.
func stillRelay(t testing.TB) (far, relay *stillPeer) {
	t.Helper()
	far = stillMesh(t)
	hole, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hole.Close() })
	key, n := session.PrivateKey{24}, far.s.node
	if err := n.mesh.add([]PeerOptions{far.peer.options, {Name: "relay", Key: key.Public()}}); err != nil {
		t.Fatal(err)
	}
	n.mesh.updateRelay(RelayOptions{Serve: true, Use: true})
	relay = &stillPeer{
		s: far.s, dev: far.dev, link: far.link, peer: n.mesh.withKey(key.Public()),
		from: hole.LocalAddr().(*net.UDPAddr).AddrPort(),
	}
	relay.shakeHands(t, hole, session.New(session.Options{Key: key, Epoch: 1}), n.options.Mesh.Key.Public())
	return far, relay
}

// through has the node send to a peer through a relay.
func (p *stillPeer) through(relay *stillPeer) {
	snd, via := *p.peer.send.Load(), relay.peer.send.Load()
	snd.via, snd.viaT, snd.tag, snd.way = relay.peer, via.t, p.peer.tag(), nat.Way{Relay: relay.peer.tag()}
	snd.sock, snd.to = via.sock, via.to
	snd.payload -= wire.RelayOverhead
	p.peer.send.Store(&snd)
}

// relayedWhole is a datagram of 1431 bytes with what stands before it on the way to a relay, or from one.
func relayedWhole(t wire.Type, node nat.Tag, datagram []byte) []byte {
	b := make([]byte, wire.RelayLen, 1440)
	wire.PutRelay(b, t, node)
	return append(b, datagram...)
}

// TestPassingOnAllocatesNothing has a node pass on full datagrams.
func TestPassingOnAllocatesNothing(t *testing.T) {
	from, to := stillRelay(t)
	b, sealed := room(), make([]byte, 1431)
	wire.Header{Index: 1, Last: true}.Put(sealed)
	message := relayedWhole(wire.TypeRelay, to.peer.tag(), sealed)
	before := to.peer.txDatagrams.Load()
	allocs := testing.AllocsPerRun(100, func() {
		train := b[:0]
		for range 40 {
			train = from.seal(train, 0, 0, message)
		}
		from.receive(train)
		from.link.pass.flush()
	})
	if allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
	if got := to.peer.txDatagrams.Load() - before; got != 101*40 {
		t.Errorf("%d datagrams were passed on, want %d", got, 101*40)
	}
	if drops := from.peer.drops.Map(); len(drops) != 0 {
		t.Errorf("drops: %v", drops)
	}
}

// TestSealingForRelayAllocatesNothing sends small frames and a super-frame to a peer through a relay.
func TestSealingForRelayAllocatesNothing(t *testing.T) {
	p, relay := stillRelay(t)
	p.through(relay)
	small, super := tcpFrame(1, 100, false), tcpFrame(1, 60000, true)
	before := relay.peer.txDatagrams.Load()
	allocs := testing.AllocsPerRun(100, func() {
		for range 8 {
			p.s.up.put(offload.Header{}, small)
		}
		p.s.up.put(superHeader(), super)
		p.s.up.out.flush()
	})
	if allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
	if got := relay.peer.txDatagrams.Load() - before; got < 101*(8+42) {
		t.Errorf("%d datagrams went to the relay, want %d or more", got, 101*(8+42))
	}
}

// TestOpeningRelayedAllocatesNothing receives frames that a relay passed on.
func TestOpeningRelayedAllocatesNothing(t *testing.T) {
	p, relay := stillRelay(t)
	p.through(relay)
	f := turned(tcpFrame(1, 1300, false))
	b, inner := room(), room()
	head := make([]byte, wire.RelayLen, 1440)
	wire.PutRelay(head, wire.TypeRelayed, p.peer.tag())
	allocs := testing.AllocsPerRun(100, func() {
		for range 40 {
			message := append(head, p.seal(inner[:0], 7, 0, f)...)
			relay.receive(relay.seal(b[:0], 0, 0, message))
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
	if got := p.peer.rx.frames.Load(); got != 101*40 {
		t.Errorf("%d frames came, want %d", got, 101*40)
	}
}
