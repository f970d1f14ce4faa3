package stun

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"
	"time"

	pion "github.com/pion/stun/v3"
)

const (
	ms = time.Millisecond
	t0 = time.Hour
)

// due hands out what is due, by server.
func due(q *Query, now time.Duration) map[netip.AddrPort][]byte {
	m := map[netip.AddrPort][]byte{}
	for _, s := range q.Due(now) {
		m[s.To] = s.Data
	}
	return m
}

func (q *Query) success(t *testing.T, now time.Duration, request []byte, from, mapped netip.AddrPort) {
	t.Helper()
	if !q.Take(now, answer(request, pion.BindingSuccess, xorMapped(mapped)), from) {
		t.Fatalf("the answer of %v was not taken", from)
	}
}

func TestQuerySchedule(t *testing.T) {
	again := ap("[::ffff:192.0.2.2]:3478") // serverB
	q := NewQuery(t0, []netip.AddrPort{serverA, serverB, serverA, {}, ap("192.0.2.3:0"), again})
	var first []byte
	for _, c := range []struct {
		at   time.Duration
		want []netip.AddrPort
		next time.Duration
	}{
		{0, []netip.AddrPort{serverA, serverB}, 100 * ms},
		{99 * ms, nil, 100 * ms},
		{100 * ms, []netip.AddrPort{serverA, serverB}, 300 * ms},
		{300 * ms, []netip.AddrPort{serverB}, Verdict},
		{999 * ms, nil, Verdict},
		{Verdict, nil, never - t0},
	} {
		var got []netip.AddrPort
		for _, s := range q.Due(t0 + c.at) {
			got = append(got, s.To)
			if first == nil {
				first = s.Data
			}
		}
		if !reflect.DeepEqual(got, c.want) || q.Deadline() != t0+c.next {
			t.Errorf("at %v: to %v, then at %v", c.at, got, q.Deadline()-t0)
		}
		if q.Done(t0+c.at) != (c.at == Verdict) {
			t.Errorf("at %v: done too early or too late", c.at)
		}
		if c.at == 100*ms {
			q.success(t, t0+140*ms, first, serverA, me)
		}
	}
	// The answer was to the first request, so it took 140 ms.
	if got := q.Results(); !reflect.DeepEqual(got, []Result{{Server: serverA, Mapped: me, RTT: 140 * ms}}) {
		t.Errorf("%+v", got)
	}
}

func TestQueryLate(t *testing.T) {
	q := NewQuery(t0, []netip.AddrPort{serverA})
	q.Due(t0)
	if late := q.Due(t0 + 500*ms); len(late) != 1 || q.Deadline() != t0+Verdict || len(q.Due(t0+501*ms)) != 0 {
		t.Errorf("%d requests at once", len(late))
	}
	request := q.asks[0].tries[1].Request()
	if !q.Done(t0+Verdict) || q.Due(t0+Verdict) != nil || len(q.Results()) != 0 {
		t.Error("no verdict")
	}
	q.success(t, t0+1300*ms, request, serverA, me)
	if got := q.Results(); len(got) != 1 || got[0].RTT != 800*ms {
		t.Errorf("%+v", got)
	}
	if q := NewQuery(t0, nil); !q.Done(t0) || q.Due(t0) != nil || q.Deadline() != never {
		t.Error("a query without servers goes on")
	}
	if q := NewQuery(t0, []netip.AddrPort{serverA}); q.Due(t0+2*time.Second) != nil || !q.Done(t0) {
		t.Error("a query goes on after its time")
	}
	var many []netip.AddrPort
	for port := range uint16(100) {
		many = append(many, netip.AddrPortFrom(serverA.Addr(), 1+port))
	}
	if got := len(NewQuery(t0, many).Due(t0)); got != MaxServers {
		t.Errorf("%d servers are asked", got)
	}
}

func TestQueryTake(t *testing.T) {
	q := NewQuery(t0, []netip.AddrPort{serverB, serverA})
	sent := due(q, t0)
	yes := answer(sent[serverA], pion.BindingSuccess, xorMapped(me), otherAddress(other))
	for name, c := range map[string]struct {
		b    []byte
		from netip.AddrPort
	}{
		"from another server":     {yes, serverB},
		"from elsewhere":          {yes, me},
		"of another transaction":  {answer(build(pion.BindingRequest), pion.BindingSuccess, xorMapped(me)), serverA},
		"the question":            {sent[serverA], serverA},
		"a question with that id": {answer(sent[serverA], pion.BindingRequest), serverA},
		"nothing":                 {nil, serverA},
	} {
		if q.Take(t0, c.b, c.from) {
			t.Errorf("taken: %s", name)
		}
	}
	bad := answer(sent[serverA], pion.BindingSuccess)
	if !q.Take(t0+1*ms, bad, serverA) || len(q.Results()) != 0 || q.Done(t0+1*ms) {
		t.Error("an answer without an address")
	}
	if !q.Take(t0+20*ms, yes, serverA) {
		t.Error("an answer was not taken")
	}
	q.success(t, t0+30*ms, sent[serverA], serverA, ap("203.0.113.99:9")) // the first one counts
	want := Result{Server: serverA, Mapped: me, Other: other, RTT: 20 * ms}
	if got := q.Results(); !reflect.DeepEqual(got, []Result{want}) {
		t.Errorf("%+v", got)
	}
	no := answer(sent[serverB], pion.BindingError, pion.CodeServerError)
	if !q.Take(t0+40*ms, no, serverB) || !q.Done(t0+40*ms) {
		t.Error("a server that refuses is asked again")
	}
	q.success(t, t0+50*ms, sent[serverB], serverB, me)
	if got := q.Results(); len(got) != 1 {
		t.Errorf("an answer after a refusal: %+v", got)
	}
}

// Results are in the order of the questions, whoever answers first: Step depends on it.
func TestQueryOrder(t *testing.T) {
	q := NewQuery(t0, []netip.AddrPort{serverA, serverB})
	sent := due(q, t0)
	q.success(t, t0+1*ms, sent[serverB], serverB, ap("203.0.113.7:41"))
	q.success(t, t0+2*ms, sent[serverA], serverA, ap("203.0.113.7:40"))
	if !q.Done(t0 + 2*ms) {
		t.Error("not done")
	}
	if got := Classify(nil, q.Results()); got.Step != 1 {
		t.Errorf("%+v", got)
	}
}

func TestFiltering(t *testing.T) {
	port := netip.AddrPortFrom(serverA.Addr(), other.Port())
	address := netip.AddrPortFrom(other.Addr(), serverA.Port())
	type reply struct {
		which int // 0 is the question for another address and port, 1 that for another port
		from  netip.AddrPort
		class pion.MessageType
	}
	yes, no := pion.BindingSuccess, pion.BindingError
	for _, c := range []struct {
		name       string
		replies    []reply
		soon, then Filtering
	}{
		{"nothing", nil, FilteringUnknown, FilteringBlocked},
		{"both", []reply{{1, port, yes}, {0, other, yes}}, FilteringOpen, FilteringOpen},
		{"one is lost", []reply{{0, other, yes}}, FilteringOpen, FilteringOpen},
		{"the same address", []reply{{1, port, yes}}, FilteringUnknown, FilteringAddress},
		{"from the wrong place", []reply{{0, port, yes}, {0, address, yes}, {1, other, yes}}, 0, FilteringBlocked},
		{"error", []reply{{0, serverA, no}, {1, serverA, no}}, 0, FilteringUnknown},
		{"first is refused", []reply{{0, serverA, no}, {1, port, yes}}, 0, FilteringUnknown},
		{"second is refused", []reply{{1, serverA, no}}, 0, FilteringUnknown},
		{"it answers as ever", []reply{{0, serverA, yes}, {1, serverA, yes}}, 0, FilteringUnknown},
	} {
		q := NewFilterQuery(t0, serverA, other)
		sends := q.Due(t0)
		for _, r := range c.replies {
			q.Take(t0+10*ms, answer(sends[r.which].Data, r.class, xorMapped(me)), r.from)
		}
		soon := q.Filtering()
		q.Done(t0 + Verdict)
		if then := q.Filtering(); soon != c.soon || then != c.then {
			t.Errorf("%s: %v, then %v; want %v, %v", c.name, soon, then, c.soon, c.then)
		}
	}
}

func TestFilterQuery(t *testing.T) {
	sends := NewFilterQuery(t0, serverA, other).Due(t0)
	if len(sends) != 2 {
		t.Fatalf("%d requests", len(sends))
	}
	for i, flags := range []byte{6, 2} {
		want := []byte{0, 3, 0, 4, 0, 0, 0, flags}
		if b := sends[i].Data; sends[i].To != serverA || !IsRequest(b) || !bytes.Equal(b[20:], want) {
			t.Errorf("% x to %v", b, sends[i].To)
		}
	}
	port := netip.AddrPortFrom(serverA.Addr(), other.Port())
	address := netip.AddrPortFrom(other.Addr(), serverA.Port())
	for _, o := range []netip.AddrPort{{}, port, address, serverA} {
		if q := NewFilterQuery(t0, serverA, o); q.Due(t0) != nil || q.Filtering() != FilteringUnknown {
			t.Errorf("%v serves as the other address", o)
		}
	}
	if q := NewFilterQuery(t0, netip.AddrPort{}, other); q.Due(t0) != nil {
		t.Error("nobody is asked")
	}
	q := NewQuery(t0, []netip.AddrPort{serverA, serverB})
	if q.Done(t0 + Verdict); q.Filtering() != FilteringUnknown {
		t.Error("a query about something else tells of filtering")
	}
}
