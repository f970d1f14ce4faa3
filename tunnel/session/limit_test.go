package session

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

func TestLimitPerAddress(t *testing.T) {
	addr := netip.MustParseAddr
	allowed := func(l *limiter, now time.Duration, a netip.Addr) (n int) {
		for range 50 {
			if l.allow(now, a) {
				n++
			}
		}
		return n
	}
	l := &limiter{buckets: map[netip.Prefix]bucket{}}
	for _, c := range []struct {
		now  time.Duration
		from string
		want int
	}{
		{time.Second, "192.0.2.1", 20},
		{time.Second, "::ffff:192.0.2.1", 0},
		{time.Second, "192.0.2.2", 20},
		{time.Second, "2001:db8::1", 20},
		{time.Second, "2001:db8::ffff:0:0:1", 0},
		{time.Second, "2001:db8:0:1::1", 20},
		{1500 * time.Millisecond, "192.0.2.1", 10},
		{9 * time.Second, "192.0.2.1", 20},
	} {
		if got := allowed(l, c.now, addr(c.from)); got != c.want {
			t.Errorf("%v, %s: %d of 50 allowed, want %d", c.now, c.from, got, c.want)
		}
	}
}

// However many addresses there are, the table stays small, and the many share what one has.
func TestLimitIsBounded(t *testing.T) {
	l := &limiter{buckets: map[netip.Prefix]bucket{}}
	flood := func(now time.Duration, first byte, n int) (allowed int) {
		for i := range n {
			a := netip.AddrFrom4([4]byte{first, byte(i >> 16), byte(i >> 8), byte(i)})
			if l.allow(now, a) {
				allowed++
			}
		}
		return allowed
	}
	if got := flood(10*time.Second, 10, 10000); got != 4096+20 {
		t.Errorf("%d of 10000 addresses allowed, want a table full and the shared 20", got)
	}
	if got := flood(10*time.Second+500*time.Millisecond, 11, 100); got != 10 {
		t.Errorf("half a second later: %d allowed, want 10", got)
	}
	if got := flood(12*time.Second, 12, 10000); got != 4096+20 {
		t.Errorf("when the table has emptied: %d allowed", got)
	}
	if len(l.buckets) != 4096 {
		t.Errorf("%d buckets", len(l.buckets))
	}
	// Addresses that go on are not forgotten, or they would have a full bucket again.
	busy := netip.MustParseAddr("192.0.2.9")
	l = &limiter{buckets: map[netip.Prefix]bucket{}}
	for range 20 {
		l.allow(20*time.Second, busy)
	}
	flood(20*time.Second, 13, 5000)
	flood(20*time.Second+900*time.Millisecond, 14, 5000)
	if l.allow(20*time.Second+40*time.Millisecond, busy) {
		t.Error("a busy address was forgotten")
	}
}

// However many messages come from an address, 20 a second cost anything, and who receives there
// gets through: whoever only says that it is his cannot receive the cookie.
func TestFloodOfOneAddress(t *testing.T) {
	a, b := newPair(t)
	now := time.Second
	for i := range 40 {
		r := b.Receive(now, a.addr, a.call())
		if limited := r.Reason == drop.CookieNeeded; limited != (i >= 20) || limited != (r.New == nil) {
			t.Fatalf("message %d: %+v", i, r)
		}
	}
	if r := b.Receive(now, b.addr, a.call()); r.New == nil {
		t.Errorf("another address: %+v", r)
	}
	for i := range 40 {
		cookie := b.Receive(now, a.addr, a.call())
		if len(cookie.Reply) != CookieLen {
			t.Fatalf("%+v", cookie)
		}
		r := b.Receive(now, a.addr, a.Receive(now, b.addr, cookie.Reply).Reply)
		if limited := r.Reason == drop.RateLimit; limited != (i >= 20) || limited != (r.New == nil) ||
			limited && r.Reply != nil {
			t.Fatalf("message %d with a cookie: %+v", i, r)
		}
	}
}

// loaded gives a pair whose b got a hundred messages in this moment.
func loaded(t *testing.T, now time.Duration) (a, b *node) {
	t.Helper()
	a, b = newPair(t)
	m := a.call()
	for i := range 100 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1)
		if r := b.Receive(now, from, m); r.Reason == drop.CookieNeeded {
			t.Fatalf("message %d: a cookie is asked for", i)
		}
	}
	return a, b
}

func TestCookieUnderLoad(t *testing.T) {
	now := time.Second
	a, b := loaded(t, now)
	m1 := a.call()
	r := b.Receive(now, a.addr, m1)
	if r.Reason != drop.CookieNeeded || r.New != nil || r.Peer != nil || len(r.Reply) != CookieLen {
		t.Fatalf("under load: %+v", r)
	}
	cookie := r.Reply
	if !a.Screen(cookie) {
		t.Fatal("a cookie is screened out")
	}
	r = a.Receive(now, b.addr, cookie)
	again := r.Reply
	if again == nil || r.Peer != a.peer || r.Reason != drop.None {
		t.Fatalf("the cookie: %+v", r)
	}
	if !bytes.Equal(beforeMAC2(again), beforeMAC2(m1)) || bytes.Equal(again, m1) {
		t.Error("the message with the cookie is another one")
	}
	if r := a.Receive(now, b.addr, cookie); r.Reply != nil || r.Reason != drop.Replay {
		t.Errorf("the cookie a second time: %+v", r)
	}
	for name, from := range map[string]netip.AddrPort{
		"address": netip.MustParseAddrPort("192.0.2.77:1111"),
		"port":    netip.MustParseAddrPort("192.0.2.1:1112"),
	} {
		if r := b.Receive(now, from, again); r.Reason != drop.CookieNeeded {
			t.Errorf("with another %s: %+v", name, r)
		}
	}
	bad := bytes.Clone(again)
	bad[len(bad)-1] ^= 1
	if r := b.Receive(now, a.addr, bad); r.Reason != drop.CookieNeeded {
		t.Errorf("with another mac2: %+v", r)
	}
	if r := b.Receive(now, a.addr, again); r.New == nil {
		t.Errorf("with the cookie: %+v", r)
	}
	if r := b.Receive(now+time.Second, a.addr, a.call()); r.New == nil {
		t.Errorf("a second later, without load: %+v", r)
	}
}

func TestCookieAge(t *testing.T) {
	for _, c := range []struct {
		made, used time.Duration
		good       bool
	}{
		{0, 119 * time.Second, true},
		{0, 120 * time.Second, true},
		{119 * time.Second, 239 * time.Second, true},
		{0, 240 * time.Second, false},
		{0, 100 * time.Hour, false},
		{121 * time.Second, 360 * time.Second, true},
	} {
		_, b := newPair(t)
		cookie := b.jar.bake(c.made, b.addr, nil)
		b.jar.turn(min(c.made+120*time.Second, c.used))
		same := func(x [16]byte) bool { return x == cookie }
		if got := b.jar.check(c.used, b.addr, nil, same); got != c.good {
			t.Errorf("made at %v, at %v it is %v", c.made, c.used, got)
		}
	}
	// Nobody looked for long: both secrets are old.
	_, b := newPair(t)
	cookie := b.jar.bake(0, b.addr, nil)
	if b.jar.check(240*time.Second, b.addr, nil, func(x [16]byte) bool { return x == cookie }) {
		t.Error("a cookie of 240 s is good where there were no others")
	}
	if !b.jar.check(240*time.Second, b.addr, nil, func([16]byte) bool { return true }) {
		t.Error("no cookie is good")
	}
}

func TestCookieForged(t *testing.T) {
	now := time.Second
	a, b := loaded(t, now)
	m1 := a.call()
	good := b.Receive(now, a.addr, m1).Reply
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		r := a.Receive(now, b.addr, bad)
		want := drop.Auth
		if i >= 8 && i < 12 {
			want = drop.NoSession
		}
		if r.Reply != nil || r.Peer != nil || r.Reason != want {
			t.Errorf("byte %d changed: %+v", i, r)
		}
	}
	flags := b.demand(b.newest(), m1, [16]byte{1}, 2)
	if r := a.Receive(now, b.addr, flags); r.Reason != drop.Auth || r.Reply != nil {
		t.Errorf("unknown flags: %+v", r)
	}
	other := b.demand(b.newest(), a.call(), [16]byte{1}, 0)
	a.call()
	if r := a.Receive(now, b.addr, other); r.Reason != drop.NoSession || r.Reply != nil {
		t.Errorf("for a message that was given up: %+v", r)
	}
	// A cookie for one message does not fit another one, even under the same index.
	m1 = a.call()
	wrong := bytes.Clone(m1)
	mac1(wrong)[0] ^= 1
	if r := a.Receive(now, b.addr, b.demand(b.newest(), wrong, [16]byte{1}, 0)); r.Reason != drop.Auth {
		t.Errorf("for another message: %+v", r)
	}
	if r := a.Receive(now, b.addr, b.demand(b.newest(), m1, [16]byte{1}, 0)); r.Reply == nil {
		t.Errorf("for the message: %+v", r)
	}
}

// Room that was made is used at once, also when the shared bucket is empty.
func TestLimitSweeps(t *testing.T) {
	now := 10 * time.Second
	l := &limiter{buckets: map[netip.Prefix]bucket{}, shared: bucket{0, now}}
	for i := range maxBuckets {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		l.buckets[netip.PrefixFrom(a, 32)] = bucket{addressRate, now}
	}
	if !l.allow(now, netip.MustParseAddr("192.0.2.1")) || len(l.buckets) != 1 {
		t.Errorf("a new address is refused, with %d buckets left", len(l.buckets))
	}
}
