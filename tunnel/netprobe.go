package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/nat/stun"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

const (
	// memberPatience is how long members are waited for before STUN servers are asked as well: by then
	// each has been asked three times.
	memberPatience = 400 * time.Millisecond
	// lookupPatience is how long the names of servers may take.
	lookupPatience = 400 * time.Millisecond
)

// A netProbe finds out by one family, from sockets of its own, what is between this machine and others.
type netProbe struct {
	listen  listenFunc
	v6      bool
	port    uint16 // wished for; 0 takes any
	local   []netip.Prefix
	members []netip.AddrPort
	servers []netip.AddrPort // asked when too few members answer

	// What it found.
	bound     uint16
	asked     []netip.AddrPort
	askedSTUN bool
	err       error // why nothing could be sent
	results   []stun.Result
	behaviour stun.Behaviour
	filtering stun.Filtering
}

// run takes two and a half seconds at most; what was found by the end of ctx stands.
func (p *netProbe) run(ctx context.Context) {
	if len(p.members)+len(p.servers) == 0 {
		return
	}
	x, err := p.open(ctx, p.port)
	if err != nil && p.port != 0 {
		x, err = p.open(ctx, 0)
	}
	if err != nil {
		p.err = err
		return
	}
	defer x.close()
	p.bound = x.conn.LocalAddr().Port()
	p.askAll(x)
	p.classify()
	p.askTwin(ctx, x)
	if !x.sent {
		p.err = x.err
	}
}

// askTwin finds out more from a server that has another address and port. Some name as another one what is
// their own.
func (p *netProbe) askTwin(ctx context.Context, x *exchange) {
	i := slices.IndexFunc(p.results, func(r stun.Result) bool {
		return r.Other.IsValid() && r.Other.Addr().Is6() == p.v6 && r.Other.Addr() != r.Server.Addr() &&
			r.Other.Port() != r.Server.Port()
	})
	if i < 0 {
		return
	}
	r := p.results[i]
	var g sync.WaitGroup
	g.Go(func() { p.filter(ctx, r) })
	if p.behaviour.Mapping == stun.MappingUnknown {
		p.results = append(p.results, x.ask(stun.Verdict, r.Other)...)
		p.classify()
	}
	g.Wait()
}

// askAll asks the members, and the servers if they are too few.
func (p *netProbe) askAll(x *exchange) {
	first := stun.NewQuery(x.now(), p.members)
	p.asked = slices.Clone(p.members)
	x.run(x.now()+memberPatience, first)
	queries := []*stun.Query{first}
	if p.outsiders(first.Results()) < enoughReflectors && len(p.servers) > 0 {
		p.askedSTUN = true
		p.asked = append(p.asked, p.servers...)
		queries = append(queries, stun.NewQuery(x.now(), p.servers))
	}
	x.run(x.now()+stun.Verdict, queries...)
	for _, q := range queries {
		p.results = append(p.results, q.Results()...)
	}
}

// outsiders counts the addresses outside of our own networks that have answered.
func (p *netProbe) outsiders(results []stun.Result) int {
	seen := make(map[netip.Addr]bool)
	for _, r := range results {
		if !p.near(r.Server.Addr()) {
			seen[r.Server.Addr()] = true
		}
	}
	return len(seen)
}

func (p *netProbe) near(a netip.Addr) bool {
	return slices.ContainsFunc(p.local, func(l netip.Prefix) bool { return l.Contains(a) })
}

func (p *netProbe) classify() {
	var local []netip.AddrPort
	for _, a := range p.local {
		if a.Addr().Is6() == p.v6 {
			local = append(local, netip.AddrPortFrom(a.Addr(), p.bound))
		}
	}
	p.behaviour = stun.Classify(local, p.results)
}

// filter asks a server that has two addresses who gets in, from a socket that has sent to neither.
func (p *netProbe) filter(ctx context.Context, r stun.Result) {
	x, err := p.open(ctx, 0)
	if err != nil {
		return
	}
	defer x.close()
	q := stun.NewFilterQuery(x.now(), r.Server, r.Other)
	x.run(x.now()+stun.Verdict, q)
	q.Done(x.now())
	p.filtering = q.Filtering()
}

// open begins an exchange that ends with ctx.
func (p *netProbe) open(ctx context.Context, port uint16) (*exchange, error) {
	at := netip.IPv4Unspecified()
	if p.v6 {
		at = netip.IPv6Unspecified()
	}
	conn, err := p.listen(netip.AddrPortFrom(at, port), udp.Options{})
	if err != nil {
		return nil, err
	}
	x := &exchange{conn: conn, reader: conn.NewReader(), start: time.Now()}
	x.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	return x, nil
}

// An exchange has queries answered over a socket. It is for one goroutine.
type exchange struct {
	conn   udp.Conn
	reader udp.Reader
	start  time.Time
	stop   func() bool
	sent   bool
	err    error // of the last datagram that could not be sent
}

func (x *exchange) now() time.Duration { return time.Since(x.start) }

func (x *exchange) close() {
	if x.stop() {
		_ = x.conn.Close()
	}
}

// ask asks one server.
func (x *exchange) ask(limit time.Duration, server netip.AddrPort) []stun.Result {
	q := stun.NewQuery(x.now(), []netip.AddrPort{server})
	x.run(x.now()+limit, q)
	return q.Results()
}

// run ends when all queries are done, at a time of the exchange, or with the socket.
func (x *exchange) run(until time.Duration, queries ...*stun.Query) {
	for now := x.now(); now < until; now = x.now() {
		next, open := until, false
		for _, q := range queries {
			for _, s := range q.Due(now) {
				x.send(s)
			}
			open = open || !q.Done(now)
			next = min(next, q.Deadline())
		}
		if !open || !x.read(next, queries) {
			return
		}
	}
}

func (x *exchange) send(s stun.Send) {
	msg := [1]udp.Message{{To: s.To, Data: s.Data, TTL: meshTTL}}
	x.conn.Write(msg[:], udp.Mode{})
	if msg[0].Failed > 0 {
		x.err = fmt.Errorf("send to %s: %w", s.To, msg[0].Err)
		return
	}
	x.sent = true
}

// read takes in what comes until a time. It reports false when the socket is closed.
func (x *exchange) read(until time.Duration, queries []*stun.Query) bool {
	_ = x.conn.SetReadDeadline(x.start.Add(until)) // without one, it only takes longer to end
	batch, err := x.reader.Read(true)
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	for i := range batch {
		dg := &batch[i]
		for data := dg.Data; len(data) > 0; {
			one := data
			if dg.SegmentSize > 0 && len(data) > dg.SegmentSize {
				one = data[:dg.SegmentSize]
			}
			data = data[len(one):]
			for _, q := range queries {
				q.Take(x.now(), one, dg.From)
			}
		}
	}
	return true
}
