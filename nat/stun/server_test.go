package stun

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/stun/v3"
)

func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		from, seen string
		size       int
	}{
		{"203.0.113.7:31877", "203.0.113.7:31877", 32},
		{"[::ffff:203.0.113.7]:31877", "203.0.113.7:31877", 32},
		{"[2001:db8::7]:65535", "[2001:db8::7]:65535", 44},
	} {
		var s Server
		tr := NewTransaction(serverA)
		b, v := s.Answer([]byte("before"), 0, tr.Request(), ap(c.from))
		ok := v == Answered
		b, before := bytes.CutPrefix(b, []byte("before"))
		if !ok || !before || len(b) != c.size {
			t.Fatalf("%s: %v, %d bytes", c.from, ok, len(b))
		}
		if got, err := tr.Parse(b, serverA); err != nil || got != ap(c.seen) {
			t.Errorf("%s: %v, %v", c.from, got, err)
		}
		m := &pion.Message{}
		if err := pion.Decode(b, m); err != nil || len(m.Attributes) != 1 {
			t.Errorf("%s: %v, %v", c.from, m, err)
		}
		if got := s.Counts(); got != (Counts{Answered: 1}) {
			t.Errorf("%+v", got)
		}
	}
}

func TestSilence(t *testing.T) {
	good := build(pion.BindingRequest, pion.Fingerprint)
	wrong := bytes.Clone(good)
	wrong[27] ^= 1
	early := build(pion.BindingRequest, pion.Fingerprint, attr(pion.AttrSoftware, 1))
	cut := build(pion.BindingRequest, attr(pion.AttrSoftware, 1, 2, 3, 4))
	cut[23] = 5
	class := func(c pion.MessageClass) pion.Setter { return pion.NewType(pion.MethodBinding, c) }
	req := pion.BindingRequest
	for _, c := range []struct {
		name    string
		request []byte
		from    netip.AddrPort
		ok      bool
	}{
		{"with a right fingerprint", good, me, true},
		{"with its software", build(req, attr(pion.AttrSoftware, 'x')), me, true},
		{"with a wrong fingerprint", wrong, me, false},
		{"fingerprint not last", early, me, false},
		{"CHANGE-REQUEST", build(req, attr(pion.AttrChangeRequest, 0, 0, 0, 6)), me, false},
		{"RESPONSE-PORT", build(req, attr(pion.AttrResponsePort, 0, 53, 0, 0)), me, false},
		{"PADDING", build(req, attr(pion.AttrPadding, make([]byte, 64)...)), me, false},
		{"RESPONSE-ADDRESS of RFC 3489", build(req, attr(2, 0, 1, 0, 53, 192, 0, 2, 1)), me, false},
		{"what must be understood", build(req, attr(0x7fff)), me, false},
		{"attribute beyond the end", cut, me, false},
		{"indication", build(class(pion.ClassIndication)), me, false},
		{"answer", build(class(pion.ClassSuccessResponse), xorMapped(me)), me, false},
		{"error", build(class(pion.ClassErrorResponse)), me, false},
		{"TURN", build(pion.NewType(pion.MethodAllocate, pion.ClassRequest)), me, false},
		{"port 0", good, ap("203.0.113.7:0"), false},
		{"from nowhere", good, ap("0.0.0.0:7"), false},
		{"from a group", good, ap("[ff02::1]:7"), false},
		{"not STUN", []byte("hello"), me, false},
	} {
		var s Server
		b, v := s.Answer([]byte("x"), 0, c.request, c.from)
		ok := v == Answered
		if ok != c.ok || !ok && !bytes.Equal(b, []byte("x")) {
			t.Errorf("%s: % x, %v", c.name, b, ok)
		}
		if got := s.Counts(); !ok && got != (Counts{Refused: 1}) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// ask counts how many of n questions from one address are answered.
func (s *Server) ask(now time.Duration, from string, n int) int {
	request, answered := build(pion.BindingRequest), 0
	for range n {
		if _, v := s.Answer(nil, now, request, ap(from)); v == Answered {
			answered++
		}
	}
	return answered
}

func TestLimitOfASource(t *testing.T) {
	for _, c := range []struct{ one, same, another string }{
		{"203.0.113.7:1", "203.0.113.255:2", "203.0.112.7:1"},
		{"[2001:db8:0:100::1]:1", "[2001:db8:0:1ff::2]:1", "[2001:db8:0:200::1]:1"},
		{"203.0.113.7:1", "[::ffff:203.0.113.8]:1", "203.0.114.7:1"},
	} {
		var s Server
		for _, q := range []struct {
			at      time.Duration
			from    string
			n, want int
		}{
			{time.Hour, c.one, 11, perSource},
			{time.Hour, c.same, 1, 0},
			{time.Hour, c.another, 1, 1},
			{time.Hour + 99*time.Millisecond, c.same, 1, 0},
			{time.Hour + 100*time.Millisecond, c.same, 2, 1},
			{time.Hour + 10*time.Second, c.one, 20, perSource},
		} {
			if got := s.ask(q.at, q.from, q.n); got != q.want {
				t.Errorf("%s at %v: %d of %d, want %d", q.from, q.at, got, q.n, q.want)
			}
		}
	}
}

func TestLimitOfAll(t *testing.T) {
	var s Server
	from := func(i int) string { return fmt.Sprintf("10.%d.%d.1:7", i>>8, i&255) }
	answered := 0
	for i := range 1000 {
		answered += s.ask(0, from(i), 1)
	}
	if answered != perServer {
		t.Errorf("%d answers at once", answered)
	}
	if got := s.Counts(); got != (Counts{Answered: perServer, Limited: 1000 - perServer}) {
		t.Errorf("%+v", got)
	}
	// One network that asks too much takes nothing from the others.
	now := 10 * time.Second
	if s.ask(now, from(0), 1000) != perSource || s.ask(now, from(1), perSource) != perSource {
		t.Error("the others pay for one network")
	}
	// A minute in which every question comes from somebody new.
	answered = 0
	for i := range 60_000 {
		answered += s.ask(now+time.Duration(i)*time.Millisecond, from(i%50_000), 1)
		if len(s.limit.sources) > maxSources {
			t.Fatalf("%d sources are remembered", len(s.limit.sources))
		}
	}
	if answered < 59*perServer || answered > 61*perServer {
		t.Errorf("%d answers in a minute", answered)
	}
}

// A sweep forgets only those whose bucket is full again, and waits until the table is full.
func TestSweep(t *testing.T) {
	var l limiter
	now := time.Hour
	l.sources = map[netip.Prefix]bucket{}
	for i := range maxSources {
		l.sources[netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)] = bucket(now)
	}
	one := netip.MustParseAddr("10.0.0.1")
	delete(l.sources, network(one))
	if !l.take(now, one) || len(l.sources) != maxSources {
		t.Errorf("%d sources, with room for %d", len(l.sources), maxSources)
	}
	l.sources[network(one)] = bucket(now + time.Second)
	if !l.take(now, netip.MustParseAddr("192.0.2.1")) || len(l.sources) != 2 {
		t.Errorf("%d sources after a sweep", len(l.sources))
	}
	if l.take(now, one) {
		t.Error("a sweep has filled a bucket")
	}
}

func TestAnswerAllocates(t *testing.T) {
	var s Server
	request, dst := build(pion.BindingRequest, pion.Fingerprint), make([]byte, 0, 64)
	now := time.Duration(0)
	if n := testing.AllocsPerRun(100, func() {
		now += time.Second
		dst, _ = s.Answer(dst[:0], now, request, me)
	}); n != 0 {
		t.Errorf("%v allocations per answer", n)
	}
}

func TestServerConcurrent(t *testing.T) {
	var s Server
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { s.ask(0, fmt.Sprintf("10.0.%d.1:7", i), 20) })
	}
	wg.Wait()
	if got := s.Counts(); got != (Counts{Answered: 4 * perSource, Limited: 4 * perSource}) {
		t.Errorf("%+v", got)
	}
}

// FuzzServer: whatever comes, the answer is small, is no question itself, and tells the address.
func FuzzServer(f *testing.F) {
	f.Add(build(pion.BindingRequest), []byte{203, 0, 113, 7}, uint16(7))
	f.Add(build(pion.BindingRequest, pion.Fingerprint), make([]byte, 16), uint16(0))
	f.Add([]byte(vectorRequest), ap("[2001:db8::1]:9").Addr().AsSlice(), uint16(9))
	f.Add([]byte(vector4), []byte{203, 0, 113, 7}, uint16(7))
	f.Fuzz(func(t *testing.T, request, addr []byte, port uint16) {
		ip, _ := netip.AddrFromSlice(addr)
		from := netip.AddrPortFrom(ip, port)
		var s Server
		b, v := s.Answer(nil, 0, request, from)
		ok := v == Answered
		if !ok {
			if len(b) != 0 || s.Counts() != (Counts{Refused: 1}) {
				t.Fatalf("% x, %+v", b, s.Counts())
			}
			return
		}
		if !IsRequest(request) || len(b) > 44 || IsRequest(b) {
			t.Fatalf("% x to % x", b, request)
		}
		got, err := (&Transaction{serverA, request}).Parse(b, serverA)
		if err != nil || got != plain(from) {
			t.Fatalf("%v, %v, want %v", got, err, from)
		}
	})
}
