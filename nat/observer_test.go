package nat

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// ap is an address with a port.
func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// reflectorAt is the i-th of those that see us, each at an address of its own.
func reflectorAt(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 3478)
}

// TestAddresses lists where others see us, what two agree on first, as long as that is young.
func TestAddresses(t *testing.T) {
	var o Observer
	one, other := ap("198.51.100.1:4000"), ap("198.51.100.1:5000")
	seen := func(now time.Duration) string {
		out := ""
		for _, r := range o.Addresses(now) {
			out += fmt.Sprintf("%d %s %v, ", r.Socket, r.Addr, r.Agreed)
		}
		return out
	}
	for _, c := range []struct {
		by, us netip.AddrPort
		socket uint8
		moved  bool
		want   string
		varies bool
	}{
		{reflectorAt(1), one, 0, false, "0 198.51.100.1:4000 false, ", false},
		{netip.AddrPortFrom(reflectorAt(1).Addr(), 1), one, 0, false, "0 198.51.100.1:4000 false, ", false},
		{reflectorAt(2), ap("127.0.0.1:1"), 0, false, "0 198.51.100.1:4000 false, ", false},
		{reflectorAt(2), one, 1, false, "0 198.51.100.1:4000 false, 1 198.51.100.1:4000 false, ", false},
		{
			reflectorAt(2), other, 0, false,
			"0 198.51.100.1:4000 false, 1 198.51.100.1:4000 false, 0 198.51.100.1:5000 false, ", true,
		},
		{
			reflectorAt(3), other, 0, false,
			"0 198.51.100.1:5000 true, 0 198.51.100.1:4000 false, 1 198.51.100.1:4000 false, ", true,
		},
		{
			reflectorAt(3), one, 0, true,
			"0 198.51.100.1:4000 true, 1 198.51.100.1:4000 false, 0 198.51.100.1:5000 false, ", true,
		},
	} {
		if moved := o.Saw(time.Hour, c.socket, c.by, c.us); moved != c.moved {
			t.Errorf("%s sees %s: moved %v", c.by, c.us, moved)
		}
		if got := seen(time.Hour); got != c.want || o.Varies(time.Hour) != c.varies {
			t.Errorf("%s sees %s: %s\nwant %s", c.by, c.us, got, c.want)
		}
	}
	o.Saw(time.Hour+time.Minute, 0, reflectorAt(4), ap("198.51.100.9:4000"))
	if o.Varies(time.Hour + 91*time.Second) {
		t.Error("ports of different addresses vary")
	}
	if got, want := seen(time.Hour+91*time.Second), "0 198.51.100.9:4000 false, "; got != want {
		t.Errorf("later %s, want %s", got, want)
	}
	if o.Forget(); seen(time.Hour+91*time.Second) != "" {
		t.Error("something is left")
	}
}

// TestObserverBounds has many see us, each elsewhere, and sends to even more.
func TestObserverBounds(t *testing.T) {
	var o Observer
	for i := range 200 {
		o.Saw(time.Hour, 0, reflectorAt(i), netip.AddrPortFrom(reflectorAt(i).Addr(), 9))
	}
	if n := len(o.Addresses(time.Hour)); n != 4 || len(o.views) != maxReflectors {
		t.Errorf("%d addresses, %d views", n, len(o.views))
	}
	if o.views[0].by != reflectorAt(200-maxReflectors) {
		t.Errorf("the oldest view is of %s", o.views[0].by)
	}
	for i := range 3 * maxSent {
		o.Sent(time.Hour, 0, netip.AddrPortFrom(reflectorAt(i>>15).Addr(), uint16(i)))
		if len(o.sent) > maxSent {
			t.Fatalf("%d destinations are counted", len(o.sent))
		}
	}
}

// A counter is a NAT that gives each destination the port after the last.
type counter struct {
	o    *Observer
	step int
	port int
	to   map[netip.AddrPort]int
}

func newCounter(step int) *counter {
	return &counter{o: new(Observer), step: step, port: 40000, to: map[netip.AddrPort]int{}}
}

// send sends to an address, which tells where it sees us if it answers.
func (c *counter) send(now time.Duration, to netip.AddrPort, answers bool) netip.AddrPort {
	c.o.Sent(now, 0, to)
	if c.to[to] == 0 {
		c.port += c.step
		c.to[to] = c.port
	}
	us := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, 1}), uint16(c.to[to]))
	if answers {
		c.o.Saw(now, 0, to, us)
	}
	return us
}

// TestStep foresees which port the next destination gets.
func TestStep(t *testing.T) {
	for _, step := range []int{1, 2, -3, maxStep} {
		c := newCounter(step)
		c.send(time.Hour, reflectorAt(1), true)
		if got, _ := c.o.Step(time.Hour); got != 0 {
			t.Errorf("step %d of one view", got)
		}
		c.send(time.Hour, reflectorAt(2), false) // in between
		c.send(time.Hour, reflectorAt(3), true)
		c.send(time.Hour, reflectorAt(1), true)
		got, last := c.o.Step(time.Hour)
		if got != step || int(last.Addr.Port()) != c.port {
			t.Errorf("step %d, last %v; want %d, %d", got, last, step, c.port)
		}
		given := c.send(time.Hour, reflectorAt(9), false)
		if _, last = c.o.Step(time.Hour); last.Addr != given {
			t.Errorf("the last port is %v, want %v", last, given)
		}
		c.send(time.Hour, reflectorAt(10), false)
		if at, ok := c.o.Given(time.Hour, 0, reflectorAt(9)); !ok || at != given {
			t.Errorf("given is %v, want %v", at, given)
		}
		for _, s := range []struct {
			socket uint8
			to     netip.AddrPort
			after  time.Duration
		}{{1, reflectorAt(9), 0}, {0, reflectorAt(11), 0}, {0, reflectorAt(9), mappedFor}} {
			if at, ok := c.o.Given(time.Hour+s.after, s.socket, s.to); ok {
				t.Errorf("%+v: given is %v", s, at)
			}
		}
		if got, _ := c.o.Step(time.Hour + 2*observedFor); got != 0 {
			t.Errorf("step %d of nothing young", got)
		}
	}
}

// TestNoStep has NATs that do not count, or not regularly.
func TestNoStep(t *testing.T) {
	for name, ports := range map[string][]int{
		"the same": {40000, 40000, 40000}, "far": {40000, 40017, 40034}, "down far": {40034, 40017, 40000},
		"random": {40000, 51234, 1025}, "irregular": {40000, 40001, 40003},
	} {
		var o Observer
		for i, port := range ports {
			o.Sent(time.Hour, 0, reflectorAt(i))
			o.Saw(time.Hour, 0, reflectorAt(i), netip.AddrPortFrom(reflectorAt(0).Addr(), uint16(port)))
		}
		if step, last := o.Step(time.Hour); step != 0 || last != (Reflexive{}) {
			t.Errorf("%s: step %d, last %v", name, step, last)
		}
		if _, ok := o.Given(time.Hour, 0, reflectorAt(1)); ok {
			t.Errorf("%s: a port is foreseen", name)
		}
	}
}

// TestStepApart wants ports of one socket and address: those of others say nothing about each other.
func TestStepApart(t *testing.T) {
	for name, second := range map[string]Reflexive{
		"socket":  {Addr: ap("198.51.100.1:40001"), Socket: 1},
		"address": {Addr: ap("198.51.100.2:40002")},
	} {
		var o Observer
		o.Sent(time.Hour, 0, reflectorAt(1))
		o.Saw(time.Hour, 0, reflectorAt(1), ap("198.51.100.1:40000"))
		o.Sent(time.Hour, second.Socket, reflectorAt(2))
		o.Sent(time.Hour, second.Socket, reflectorAt(3))
		o.Saw(time.Hour, second.Socket, reflectorAt(3), second.Addr)
		if step, _ := o.Step(time.Hour); step != 0 {
			t.Errorf("%s: step %d", name, step)
		}
	}
}

// TestStepAgain: a NAT that has forgotten a destination counts it again.
func TestStepAgain(t *testing.T) {
	c := newCounter(1)
	c.send(time.Hour, reflectorAt(1), true)
	c.send(time.Hour, reflectorAt(2), true)
	c.send(time.Hour, reflectorAt(3), false)
	later := time.Hour + mappedFor
	delete(c.to, reflectorAt(3))
	c.send(later, reflectorAt(3), false)
	c.send(later, reflectorAt(1), true) // it answers, so the NAT has not
	if _, last := c.o.Step(later); int(last.Addr.Port()) != c.port {
		t.Errorf("the last port is %v, want %d", last, c.port)
	}
	delete(c.to, reflectorAt(1)) // it was flushed
	c.send(later, reflectorAt(1), true)
	if step, last := c.o.Step(later); step != 1 || int(last.Addr.Port()) != c.port {
		t.Errorf("step %d, the last port is %v, want %d", step, last, c.port)
	}
	c.send(later, reflectorAt(4), true)
	if step, last := c.o.Step(later); step != 1 || int(last.Addr.Port()) != c.port {
		t.Errorf("step %d, the last port is %v, want %d", step, last, c.port)
	}
}

// TestStepFlushed: a NAT that counts has forgotten everything, and given ports anew in an order that nobody
// saw. Its step is as before, and both what it gave and what it will give is among what is tried.
func TestStepFlushed(t *testing.T) {
	for name, outer := range map[string]string{"another address": "198.51.100.9", "the same": "198.51.100.1"} {
		c := newCounter(2)
		for i := range 3 {
			c.send(time.Hour, reflectorAt(i), true)
		}
		c.send(time.Hour, reflectorAt(9), false)
		now := time.Hour + 20*time.Second
		at := func(port int) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(outer), uint16(port)) }
		c.o.Sent(now, 0, reflectorAt(9)) // is given 50000
		if !c.o.Saw(now, 0, reflectorAt(1), at(50006)) || !c.o.Saw(now, 0, reflectorAt(2), at(50002)) {
			t.Errorf("%s: has not moved", name)
		}
		if at, ok := c.o.Given(now, 0, reflectorAt(9)); ok {
			t.Errorf("%s: given is %v", name, at)
		}
		step, last := c.o.Step(now)
		tried := make(map[int]bool)
		for i := range predictedPorts {
			tried[int(last.Addr.Port())+step*(i+1)] = true
		}
		if step != 2 || last.Addr.Addr() != at(0).Addr() || !tried[50000] || !tried[50008] {
			t.Errorf("%s: step %d, last %v", name, step, last)
		}
		c.o.Saw(now+sameFlush, 0, reflectorAt(0), at(50004)) // is late
		c.o.Sent(now+mappedFor, 0, reflectorAt(9))           // is given 50008
		if at, ok := c.o.Given(now+mappedFor, 0, reflectorAt(9)); !ok || at.Port() != 50008 {
			t.Errorf("%s: then given is %v, %v", name, at, ok)
		}
	}
}

// TestStepLied: one that sees us where nobody else does makes us forget the step for as long only as the others
// say nothing.
func TestStepLied(t *testing.T) {
	c := newCounter(1)
	for i := range 3 {
		c.send(time.Hour, reflectorAt(i), true)
	}
	for i := range 100 {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, 8, byte(i), 8}), 1)
		c.o.Saw(time.Hour+time.Duration(i)*time.Second, 0, reflectorAt(2), at)
	}
	now := time.Hour + 100*time.Second
	for i := range 2 {
		c.send(now, reflectorAt(i), true)
	}
	if step, last := c.o.Step(now); step != 1 || last.Addr.Addr().As4()[0] != 198 {
		t.Errorf("step %d, last %v", step, last)
	}
}

// TestUnsent: where somebody sees us that we did not count sending to, says nothing of the step.
func TestUnsent(t *testing.T) {
	var o Observer
	o.Saw(time.Hour, 0, reflectorAt(1), ap("198.51.100.1:40000"))
	o.Sent(time.Hour, 0, reflectorAt(2))
	o.Saw(time.Hour, 0, reflectorAt(2), ap("198.51.100.1:40001"))
	if step, _ := o.Step(time.Hour); step != 0 {
		t.Errorf("step %d", step)
	}
	o.Saw(time.Hour, 0, reflectorAt(1), ap("198.51.100.1:40002"))
	if step, _ := o.Step(time.Hour); step != 1 {
		t.Errorf("step %d once it has moved", step)
	}
}

// TestPredict adds the ports that a NAT may give next.
func TestPredict(t *testing.T) {
	at := func(port int, k Kind) Candidate {
		return Candidate{Way{Addr: netip.AddrPortFrom(reflectorAt(1).Addr(), uint16(port))}, k}
	}
	list := []Candidate{at(100, KindReflexive), at(200, KindLAN), at(300, KindForwarded)}
	for _, c := range []struct {
		step        int
		exact       bool
		port        int
		kept, ahead int
	}{
		{0, false, 100, 3, 0},
		{17, false, 100, 3, 0},
		{-17, false, 100, 3, 0},
		{16, false, 100, 3, 8},
		{1, false, 100, 3, 8},
		{1, true, 100, 1, 1},
		{-16, false, 40, 3, 2},
		{1, false, 65533, 3, 2},
		{-16, false, 16, 3, 0},
	} {
		list[0] = at(c.port, KindReflexive)
		var kept, ahead int
		for _, p := range Predict(list, c.step, c.exact) {
			if p.Kind != KindPredicted {
				kept++
				continue
			}
			if ahead++; int(p.Addr.Port()) != c.port+ahead*c.step {
				t.Errorf("%+v: %v is number %d", c, p, ahead)
			}
		}
		if kept != c.kept || ahead != c.ahead || len(list) != 3 {
			t.Errorf("%+v: %d kept, %d ahead", c, kept, ahead)
		}
	}
}

// TestUsable refuses addresses that nobody can have on the way to us.
func TestUsable(t *testing.T) {
	for s, want := range map[string]bool{
		"192.0.2.1:1": true, "10.0.0.1:1": true, "[2001:db8::1]:1": true, "[fd00::1]:1": true,
		"192.0.2.1:0": false, "127.0.0.1:1": false, "[::1]:1": false, "224.0.0.1:1": false,
		"[ff02::1]:1": false, "0.0.0.0:1": false, "[::]:1": false, "0.1.2.3:1": false, "240.0.0.1:1": false,
		"255.255.255.255:1": false, "169.254.1.1:1": false, "[fe80::1]:1": false,
		"[::ffff:127.0.0.1]:1": false, "[::ffff:192.0.2.1]:1": true,
	} {
		if got := Usable(ap(s)); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
	if Usable(netip.AddrPort{}) || Usable(netip.AddrPortFrom(netip.Addr{}, 1)) {
		t.Error("no address is usable")
	}
}

// TestKindOf tells what kind an interface's address is.
func TestKindOf(t *testing.T) {
	local := []netip.Prefix{netip.MustParsePrefix("192.168.1.7/24"), netip.MustParsePrefix("2001:db8:1::7/64")}
	for s, want := range map[string]Kind{
		"192.168.1.9": KindLAN, "2001:db8:1::9": KindLAN, "::ffff:192.168.1.9": KindLAN,
		"192.168.2.9": KindHost, "100.64.0.1": KindHost, "100.128.0.1": KindPublic4, "192.0.2.1": KindPublic4,
		"2001:db8:2::9": KindHost6, "fd00::9": KindHost, "fe80::9": KindHost, "224.0.0.1": KindHost,
	} {
		if got := KindOf(netip.MustParseAddr(s), local); got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
	for k := range Kind(255) {
		want := map[Kind]bool{
			KindHost: true, KindForwarded: true, KindReflexive: true, KindMapped: true, KindStatic: true,
			KindPublic4: true, KindHost6: true, KindLAN: true,
		}[k]
		if k.Valid() != want {
			t.Errorf("%d %q may be claimed: %v", k, k, k.Valid())
		}
	}
}

// TestWords: what people read.
func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		direct(1).String(): "192.0.2.1:7000", relay(1).String(): "relay 0100010000000000",
		New.String() + Probing.String() + Idle.String() + Valid.String(): "newprobingidlevalid",
		KindSeen.String(): "learned",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestNested: a router's outer address is told from where others see us.
func TestNested(t *testing.T) {
	for _, c := range []struct {
		outer string
		seen  []string
		want  bool
	}{
		{"", nil, false},
		{"", []string{"198.51.100.1:4000"}, false},
		{"2001:db8::1", []string{"198.51.100.1:4000"}, false},
		{"10.0.0.1", nil, true},
		{"100.64.0.1", []string{"198.51.100.1:4000"}, true},
		{"10.0.0.1", []string{"10.0.0.1:4000"}, true}, // by somebody between the two
		{"198.51.100.2", nil, false},
		{"198.51.100.2", []string{"192.168.1.9:4000", "[2001:db8::1]:4000"}, false},
		{"198.51.100.2", []string{"198.51.100.1:4000"}, true},
		{"198.51.100.1", []string{"198.51.100.1:4000"}, false},
		{"198.51.100.1", []string{"203.0.113.1:4000", "198.51.100.1:4000"}, false},
	} {
		var o Observer
		for i, us := range c.seen {
			o.Saw(time.Hour, 0, reflectorAt(i), ap(us))
		}
		outer, _ := netip.ParseAddr(c.outer)
		if got := o.Nested(time.Hour, outer); got != c.want {
			t.Errorf("%q, seen at %q: %v", c.outer, c.seen, got)
		}
	}
}
