package tunnel_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// TestRelayLimit sends six times as much through a relay as it may pass on, with another relay standing
// by: it says so, seldom, and that is no reason to change the way.
func TestRelayLimit(t *testing.T) {
	simulate(t, 92, func(w *world) {
		pub, a, b := w.introduce(simnet.SymmetricRandom, simnet.SymmetricRandom)
		second := w.members[1]
		for _, s := range []*site{a, b} {
			s.options.Mesh.Peers[len(s.options.Mesh.Peers)-1].Relay = true
		}
		w.net.Link(a.host, second.host).Set(simnet.Conditions{Delay: 30 * time.Millisecond})
		pub.options.Relay = tunnel.RelayOptions{Serve: true, Limit: 600_000}
		start(pub, a.member, b.member)
		w.talk(a.member, b.member, 10*time.Second)
		w.pass(20 * time.Second)
		why := func() string {
			out, err := a.Why(b.name)
			if err != nil {
				t.Fatal(err)
			}
			return out.Summary + " " + strings.Join(out.Fixes, " ")
		}
		if got := why(); strings.Contains(got, "limit") {
			t.Errorf("why says %q", got)
		}
		told := 0
		w.tapping(func(from, to netip.AddrPort, d []byte) bool {
			if from == pub.addr && to.Addr() == a.nat.Addr() && len(d) == wire.Overhead+wire.UnreachedLen {
				told++
			}
			return true
		})
		began, via := a.log.String(), a.peer(b.member).Path.Via
		w.flood(a, b, 6, 20*time.Second)
		n := strings.Count(strings.TrimPrefix(a.log.String(), began), "msg=path peer="+b.name)
		if now := a.peer(b.member).Path.Via; n > 0 || via != pub.name || now != via {
			t.Errorf("the way is via %s after %d changes, and was via %s", now, n, via)
		}
		if told < 60 || told > 85 {
			t.Errorf("it says so %d times in 20 s", told)
		}
		for _, want := range []string{"more to pass on than its limit", "raise relay.limit at " + pub.name} {
			if got := why(); !strings.Contains(got, want) {
				t.Errorf("why says %q", got)
			}
		}
		if drops := pub.counts(a.member).Drops["not_relayed"]; drops < 10_000 {
			t.Errorf("%d datagrams are not passed on: this proves nothing", drops)
		}
		if w.pass(limitedFor); strings.Contains(why(), "limit") {
			t.Errorf("why says %q long after", why())
		}
	})
}

// flood has a say so much to b in each millisecond: so evenly that there is never room for long.
func (w *world) flood(a, b *site, each int, length time.Duration) {
	for range length / time.Millisecond {
		for range each {
			a.say(b.member, "x")
		}
		w.pass(time.Millisecond)
		b.device.Frames()
	}
}

// limitedFor is how long what a relay says of its limit counts.
const limitedFor = 10 * time.Second

// TestLimitedForever has a relay say, for as long as it likes, that it has too much to pass on, and pass on
// nothing: another is found.
func TestLimitedForever(t *testing.T) {
	simulate(t, 93, func(w *world) {
		of, second, a, b := w.twoRelays()
		stops := false
		e := w.evilRelay(of, func(d []byte) [][]byte {
			if stops {
				return nil
			}
			return [][]byte{d}
		}, a.member, b.member)
		start(second, a.member, b.member)
		w.talk(a.member, b.member, 10*time.Second)
		w.busily(a.member, b.member, 10*time.Second)
		if via := a.peer(b.member).Path.Via; via != of.name {
			t.Fatalf("the way is via %s", via)
		}
		stops = true
		for range 150 {
			e.send(a.tag(), wire.Unreached{Node: b.tag(), Cause: wire.CauseLimit}.Append(nil))
			a.say(b.member, "x")
			w.pass(100 * time.Millisecond)
		}
		if via := a.peer(b.member).Path.Via; via != second.name {
			t.Errorf("the way is via %s", via)
		}
	})
}
