package tunnel

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/nat/lan"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// TestJoinersRelayNothing has a node pass on nothing for somebody who has a session and is no peer, nor
// take anything that it says to have passed on.
func TestJoinersRelayNothing(t *testing.T) {
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

// TestStrangersQuestions counts those to STUN that are too many by a reason of their own.
func TestStrangersQuestions(t *testing.T) {
	p := stillMesh(t)
	question := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	for range 1000 {
		p.link.split(&udp.Datagram{Data: question, From: netip.MustParseAddrPort("192.0.2.1:3478")})
	}
	answered := p.s.node.mesh.reflector.server.Counts().Answered
	if drops := p.link.sock.drops.Map(); len(drops) != 1 || drops["stun_limit"] != 1000-answered || answered == 0 {
		t.Errorf("%d answered, drops %v", answered, drops)
	}
}

// TestLANStats shows what came to the HELLOs' port, by reason.
func TestLANStats(t *testing.T) {
	st := lanStats(lan.Counts{Heard: 1, Foreign: 2, Malformed: 3, Strayed: 4})
	if st.RxDatagrams != 10 || !maps.Equal(st.Drops, map[string]uint64{"other_network": 2, "malformed": 3, "not_lan": 4}) {
		t.Errorf("%+v", st)
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

// TestEchoOfAWay tells ways apart that read the same.
func TestEchoOfAWay(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.9:7000")
	e := echoes{ways: []nat.Way{{Addr: at}, {Socket: 1, Addr: at}}, missing: 2}
	e.out.Paths = []control.PingPath{{Address: at.String()}, {Address: at.String()}}
	for _, rtt := range []float64{3, 2, 4} {
		e.answered(echo{control.PingReply{Remote: at.String(), RTTSeconds: rtt}, e.ways[1]})
	}
	e.answered(echo{control.PingReply{Remote: at.String()}, nat.Way{Socket: 2, Addr: at}})
	if p := e.out.Paths; p[0].Answered || !p[1].Answered || p[1].RTTSeconds != 2 || e.missing != 1 {
		t.Errorf("%+v, %d missing", p, e.missing)
	}
}

// TestNoSocket says so when the socket of a way is closed: that is no matter of relays.
func TestNoSocket(t *testing.T) {
	m := stillMesh(t).s.node.mesh
	at := netip.MustParseAddrPort("192.0.2.9:7000")
	if err := m.transmit(nat.Way{Socket: 99, Addr: at}, nat.Tag{}, []byte{1}); err != errClosed {
		t.Errorf("closed: %v", err)
	}
	if err := m.transmit(nat.Way{Relay: nat.Tag{9}}, nat.Tag{}, []byte{1}); err != errNoRelay {
		t.Errorf("no relay: %v", err)
	}
}

// TestAnswersToTheLastCall takes no answer to another call than the one that is out.
func TestAnswersToTheLastCall(t *testing.T) {
	p := stillMesh(t)
	m, now := p.s.node.mesh, time.Hour
	p.peer.agent = new(nat.Agent)
	a, relay := p.peer.agent, nat.Way{Relay: nat.Tag{9}}
	a.Offer(now, nat.FromRelays, []nat.Candidate{{Way: relay, Kind: nat.KindRelay}})
	a.Proven(now, relay)
	a.Note(now, now, now)
	m.steps(now, p.peer, p.peer.session.Current(), a.Tick(now))
	if !a.Awaits() || p.peer.call.number == 0 {
		t.Fatal("there is no call out")
	}
	for _, number := range []uint64{p.peer.call.number + 1, p.peer.call.number} {
		answer := wire.Call{Number: number}.Append(nil, wire.TypeAnswer)
		m.called(now, &meshEvent{peer: p.peer, data: answer})
		if want := number != p.peer.call.number; a.Awaits() != want {
			t.Errorf("number %d of %d: one is awaited still: %v", number, p.peer.call.number, a.Awaits())
		}
	}
}

// TestSeenThroughRelays learns nothing of where this node is from what a relay passed on.
func TestSeenThroughRelays(t *testing.T) {
	m := stillMesh(t).s.node.mesh
	m.outside = outside{}
	us := netip.MustParseAddrPort("203.0.113.1:7000")
	for w, want := range map[nat.Way]int{{Relay: nat.Tag{9}}: 0, {Addr: netip.MustParseAddrPort("192.0.2.1:1")}: 1} {
		m.outside.observer.Forget()
		m.observed(time.Hour, w, us)
		if n, _ := m.outside.observer.Reflectors(time.Hour); n != want {
			t.Errorf("%v: %d see this node, want %d", w, n, want)
		}
	}
}

// TestPairsHaveAnEnd passes on for so many pairs at once, and for others once these have been silent.
func TestPairsHaveAnEnd(t *testing.T) {
	var d relayDesk
	from, to := make([]*peer, 2*maxPairs/maxPairsEach+1), make([]*peer, maxPairsEach+1)
	for i := range from {
		from[i] = new(peer)
	}
	for i := range to {
		to[i] = new(peer)
	}
	passes := func(now time.Duration) (n int) {
		for _, f := range from {
			for _, t := range to {
				if d.take(now, f, t, 100) == 0 {
					n++
				}
			}
		}
		return n
	}
	if n := passes(time.Hour); n != 2*maxPairs {
		t.Errorf("%d pairs, want %d", n, 2*maxPairs)
	}
	last := from[len(from)-1]
	if cause := d.take(time.Hour+time.Second, last, to[0], 100); cause != wire.CauseRefused {
		t.Errorf("one more is refused with cause %d", cause)
	}
	if cause := d.take(time.Hour+pairIdle+2*time.Second, last, to[0], 100); cause != 0 || len(d.pairs) != 1 {
		t.Errorf("cause %d after a while, %d pairs are left", cause, len(d.pairs))
	}
}

// TestReopenedSeldom asks the router for a port that nobody gets through ever more seldom, each hour in the end.
func TestReopenedSeldom(t *testing.T) {
	p := stillMesh(t)
	m, times := p.s.node.mesh, []time.Duration(nil)
	now := time.Hour
	m.mayReopen(func() { times = append(times, now-time.Hour) })
	for ; now < 6*time.Hour; now += time.Minute {
		m.reopen(now, p.peer)
	}
	want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183, 243}
	for i := range want {
		want[i] *= time.Minute
	}
	if !slices.Equal(times, want) {
		t.Errorf("at %v, want %v", times, want)
	}
}
