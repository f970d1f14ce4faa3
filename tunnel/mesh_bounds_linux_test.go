package tunnel

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// TestGuestsRelayNothing has a node pass on nothing for somebody who has a session and is no peer, nor
// take anything that it says to have passed on.
func TestGuestsRelayNothing(t *testing.T) {
	guest, to := stillRelay(t)
	m := to.s.node.mesh
	m.peers = []*peer{to.peer}
	m.publishTags()
	sealed := make([]byte, 100)
	wire.Header{Index: 1, Last: true}.Put(sealed)
	before := to.peer.txDatagrams.Load()
	guest.receive(guest.seal(room(), 0, 0, relayedWhole(wire.TypeRelay, to.peer.tag(), sealed)))
	inner := to.seal(room(), 7, 0, turned(tcpFrame(1, 100, false)))
	guest.receive(guest.seal(room(), 0, 0, relayedWhole(wire.TypeRelayed, to.peer.tag(), inner)))
	if guest.peer.drops.Map()["not_relayed"] != 2 || to.peer.txDatagrams.Load() != before || to.peer.rx.frames.Load() != 0 {
		t.Errorf("drops %v, %d datagrams, %d frames",
			guest.peer.drops.Map(), to.peer.txDatagrams.Load()-before, to.peer.rx.frames.Load())
	}
}

// TestRefusalsAreFew tells a peer that goes on sending only sometimes that nothing is passed on.
func TestRefusalsAreFew(t *testing.T) {
	p := stillMesh(t)
	p.s.node.mesh.relays.Store(true)
	message := relayedWhole(wire.TypeRelay, nat.Tag{9}, append([]byte{0x08 | 0x80}, make([]byte, 99)...))
	wire.Header{Index: 1, Last: true}.Put(message[wire.RelayLen:])
	before := p.peer.txDatagrams.Load()
	for range 1000 {
		p.receive(p.seal(room(), 0, 0, message))
	}
	told := p.peer.txDatagrams.Load() - before
	if told < refusalBurst || told > refusalBurst+refusalRate || p.peer.drops.Map()["not_relayed"] != 1000 {
		t.Errorf("told %d times, drops %v", told, p.peer.drops.Map())
	}
}

// TestStrangersAnswersDoNotWait keeps STUN of others than those that are asked from what waits for the mesh.
func TestStrangersAnswersDoNotWait(t *testing.T) {
	p := stillMesh(t)
	server := netip.MustParseAddrPort("192.0.2.1:3478")
	p.s.node.mesh.reflector.servers.Store(&[]netip.AddrPort{server})
	answer := append([]byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	for from, waits := range map[string]int{"192.0.2.2:3478": 0, "192.0.2.1:3479": 0, "192.0.2.1:3478": 1} {
		before := len(p.s.node.mesh.events)
		p.link.split(&udp.Datagram{Data: answer, From: netip.MustParseAddrPort(from)})
		if got := len(p.s.node.mesh.events) - before; got != waits {
			t.Errorf("%s: %d events, want %d", from, got, waits)
		}
	}
}

// TestRestartsArePutOff restarts at once, again no sooner than a second later, and seldom after a few
// times; none that was asked for is forgotten.
func TestRestartsArePutOff(t *testing.T) {
	m := stillMesh(t).s.node.mesh
	times := 0
	restarts := func(now time.Duration, f func(time.Duration)) bool {
		was := m.outside.restarted
		if f(now); m.outside.restarted != was {
			times++
			return true
		}
		return false
	}
	if !restarts(time.Hour, m.restart) || restarts(time.Hour+restartEvery/2, m.restart) {
		t.Error("not at once, or twice within a second")
	}
	if !restarts(time.Hour+restartEvery, m.restartDue) || restarts(time.Hour+2*restartEvery, m.restartDue) {
		t.Error("what was put off is forgotten, or done twice")
	}
	for s := range 100 {
		restarts(time.Hour+time.Duration(3+s)*time.Second, m.restart)
	}
	if most := restartBurst + 103*restartRate + 1; float64(times) > most || times < 20 {
		t.Errorf("%d times in 103 s", times)
	}
}
