package nat

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestCandidatesOrder lists the way in use first, then those that answer, then the others, the best of each
// first.
func TestCandidatesOrder(t *testing.T) {
	r := inUse(t, direct(1), KindHost, steady(ms(9)))
	r.works(direct(2), steady(ms(20)))
	r.a.Offer(r.now, FromConfig, []Candidate{
		{direct(1), KindHost}, {direct(3), KindLAN}, {direct(2), KindForwarded}, {direct(4), KindHost},
	})
	r.talking = true
	r.pass(time.Second)
	var got []Way
	for _, s := range r.a.Candidates(r.now) {
		got = append(got, s.Way)
	}
	if want := []Way{direct(1), direct(2), direct(3), direct(4)}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if rtt := r.a.RTT(); rtt != ms(9) {
		t.Errorf("round trip %v", rtt)
	}
	if r.a.Forget(); r.a.RTT() != 0 {
		t.Error("there is a round trip by no way")
	}
}

// TestProbes marks the pings to where nobody has answered lately: whoever sends them has to hold back.
func TestProbes(t *testing.T) {
	r := inUse(t, direct(1), KindHost, steady(ms(9)))
	r.works(direct(2), steady(ms(9)))
	r.a.Offer(r.now, FromConfig, []Candidate{{direct(1), KindHost}, {direct(2), KindHost}, {direct(3), KindHost}})
	r.talking = true
	began := r.now
	r.pass(5 * time.Minute)
	answered := map[Way]bool{direct(1): true}
	for _, e := range r.log {
		if e.Do != Ping || e.at < began {
			continue
		}
		if want := !answered[e.Way]; e.Probe != want {
			t.Errorf("at %v to %v: %v, want %v", e.at-began, e.Way, e.Probe, want)
		}
		answered[e.Way] = e.Way != direct(3) // before the next, that is
	}
	for i := range 3 {
		if r.count(Ping, direct(1+i), began) < 2 {
			t.Error("this proves nothing")
		}
	}
}

// TestCallOtherWays calls through the relays as well, but by no other direct way than that in use.
func TestCallOtherWays(t *testing.T) {
	r := inUse(t, relay(1), KindRelay, steady(ms(40)))
	r.works(relay(2), steady(ms(60)))
	r.a.Offer(r.now, FromRelays, []Candidate{through(1), through(2)})
	began := r.now
	r.talking = true
	r.a.Offer(r.now, FromConfig, []Candidate{public(3)})
	r.pass(ms(300))
	for w, want := range map[Way]int{relay(1): 1, relay(2): 1, direct(3): 0} {
		if n := r.count(Call, w, began); n != want {
			t.Errorf("%d calls by %v, want %d", n, w, want)
		}
	}
}

// TestVariesByPort wants another port of one address, and one socket.
func TestVariesByPort(t *testing.T) {
	for us, want := range map[string]bool{
		"198.51.100.1:4000": false, "198.51.100.1:4001": true, "198.51.100.2:4000": false, "198.51.100.2:4001": false,
	} {
		var o Observer
		o.Saw(time.Hour, 0, reflectorAt(1), ap("198.51.100.1:4000"))
		o.Saw(time.Hour, 0, reflectorAt(2), ap(us))
		if got := o.Varies(time.Hour); got != want {
			t.Errorf("%s: varies %v", us, got)
		}
		if o.Saw(time.Hour, 1, reflectorAt(3), ap("198.51.100.1:4009")); o.Varies(time.Hour) != want {
			t.Errorf("%s: another socket's port varies", us)
		}
	}
	var o Observer // the same, seen by two, from one socket and from another
	o.Saw(time.Hour, 0, reflectorAt(1), ap("198.51.100.1:4000"))
	o.Saw(time.Hour, 1, reflectorAt(2), ap("198.51.100.1:4000"))
	if o.Varies(time.Hour) {
		t.Error("the same port varies")
	}
}

// TestStepOf is a step only where each destination between two views has got one as large.
func TestStepOf(t *testing.T) {
	for _, c := range []struct {
		ports, destinations, step int
		ok                        bool
	}{
		{2, 2, 1, true},
		{3, 2, 1, false},
		{-4, 2, -2, true},
		{-5, 2, -2, false},
		{0, 2, 0, false},
		{16, 1, 16, true},
		{17, 1, 17, false},
		{-16, 1, -16, true},
		{-17, 1, -17, false},
	} {
		at := func(port int) netip.AddrPort { return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)) }
		a, b := view{us: at(4000), count: 1}, view{us: at(4000 + c.ports), count: uint32(1 + c.destinations)}
		if step, ok := stepOf(a, b); ok != c.ok || ok && step != c.step {
			t.Errorf("%+v: %d, %v", c, step, ok)
		}
	}
}

// TestSentOnce counts a destination when something is first sent there, also when it has seen us before, and
// again only when the NAT may have forgotten it.
func TestSentOnce(t *testing.T) {
	var o Observer
	o.Saw(time.Hour, 0, reflectorAt(1), ap("198.51.100.1:4000"))
	o.Sent(time.Hour, 0, reflectorAt(2))
	for _, c := range []struct {
		to    netip.AddrPort
		after time.Duration
		count uint32
	}{
		{reflectorAt(1), 0, 2},
		{reflectorAt(1), mappedFor, 2},
		{reflectorAt(2), mappedFor - 1, 1},
		{reflectorAt(2), 2*mappedFor - 2, 1},
		{reflectorAt(2), 3*mappedFor - 2, 3},
	} {
		o.Sent(time.Hour+c.after, 0, c.to)
		if got := o.sent[destination{0, c.to}].count; got != c.count {
			t.Errorf("%v after %v: number %d, want %d", c.to, c.after, got, c.count)
		}
	}
}

// TestGivenApart foresees nothing for a socket whose ports nobody has seen, nor from two views of one moment.
func TestGivenApart(t *testing.T) {
	c := newCounter(1)
	for i := range 3 {
		c.send(time.Hour, reflectorAt(i), true)
	}
	c.send(time.Hour, reflectorAt(9), false)
	c.o.Sent(time.Hour, 1, reflectorAt(9))
	if at, ok := c.o.Given(time.Hour, 1, reflectorAt(9)); ok {
		t.Errorf("given is %v", at)
	}
	o := Observer{views: []view{
		{by: reflectorAt(1), us: ap("198.51.100.1:4000"), at: time.Hour, count: 1},
		{by: reflectorAt(2), us: ap("198.51.100.1:4001"), at: time.Hour, count: 1},
	}}
	if step, _ := o.Step(time.Hour); step != 0 {
		t.Errorf("step %d", step)
	}
}
