package enrol

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// ttl is the hop limit of what the joiner sends.
const ttl = 64

// A joiner is one attempt. One goroutine runs it; others only read from its sockets.
type joiner struct {
	o        Options
	start    time.Time
	endpoint *session.Endpoint
	peer     *session.Peer

	conns     []udp.Conn
	readers   errgroup.Group
	datagrams chan datagram
	failed    map[netip.AddrPort]error

	t     *session.Transport // nil until the inviter has answered
	conn  udp.Conn           // where it answered
	from  netip.AddrPort
	since time.Duration // when it did
	heard time.Duration // when it last said anything
	asked time.Duration // when the redemption was sent last
	items []roster.Item
}

// A datagram is a copy of one that came in.
type datagram struct {
	conn udp.Conn
	from netip.AddrPort
	data []byte
}

// open opens a socket for each family of the inviter's addresses.
func (j *joiner) open() error {
	j.failed = make(map[netip.AddrPort]error)
	var failed error
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if !slices.ContainsFunc(j.o.Token.Endpoints, func(a netip.AddrPort) bool {
			return a.Addr().Is6() == any.Is6()
		}) {
			continue
		}
		conn, err := j.o.ListenUDP(netip.AddrPortFrom(any, 0), udp.Options{})
		if err != nil {
			failed = err
			continue
		}
		j.conns = append(j.conns, conn)
	}
	if len(j.conns) == 0 {
		return failed
	}
	return nil
}

// close ends the readers.
func (j *joiner) close() {
	for _, c := range j.conns {
		_ = c.Close()
	}
	_ = j.readers.Wait()
}

// read passes on what comes to a socket until it is closed.
func (j *joiner) read(ctx context.Context, conn udp.Conn) error {
	r := conn.NewReader()
	for {
		list, err := r.Read(true)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		for i := range list {
			for _, data := range split(&list[i]) {
				select {
				case j.datagrams <- datagram{conn, list[i].From, data}:
				case <-ctx.Done():
					return nil
				}
			}
		}
	}
}

// split gives copies of the datagrams that the kernel merged into one message.
func split(dg *udp.Datagram) [][]byte {
	data := slices.Clone(dg.Data)
	if dg.SegmentSize == 0 {
		return [][]byte{data}
	}
	return slices.Collect(slices.Chunk(data, dg.SegmentSize))
}

// run goes on until there is an answer, or time is up.
func (j *joiner) run(ctx context.Context) (*Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before the sockets are closed: readers may wait to pass something on
	for _, c := range j.conns {
		j.readers.Go(func() error { return j.read(ctx, c) })
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	j.peer.Urge(0)
	for {
		now := time.Since(j.start)
		if j.t == nil && now >= patience || j.t != nil && now-j.since >= answerFor {
			return nil, j.noAnswer()
		}
		j.call(now)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		case d := <-j.datagrams:
			grant, err := j.receive(time.Since(j.start), d)
			if err != nil {
				return nil, err
			}
			if grant != nil {
				return &Result{Grant: grant, Items: j.items, Endpoint: j.from}, nil
			}
		}
	}
}

// call tries to reach the inviter at each of its addresses, and asks again once it was.
func (j *joiner) call(now time.Duration) {
	if j.t != nil && now-j.asked >= again {
		j.redeem(now)
	}
	if j.t != nil && now-j.heard < silent {
		return
	}
	j.peer.Urge(now) // every second; it may have been started again, and know nothing of the session
	if j.peer.Due(now) {
		message := j.peer.Initiate(now)
		for _, to := range j.o.Token.Endpoints {
			if message != nil {
				j.failed[to] = j.send(j.connFor(to), to, message)
			}
		}
	}
}

// connFor gives the socket of an address's family, or nil.
func (j *joiner) connFor(to netip.AddrPort) udp.Conn {
	for _, c := range j.conns {
		if c.Is6() == to.Addr().Is6() {
			return c
		}
	}
	return nil
}

func (j *joiner) send(conn udp.Conn, to netip.AddrPort, data []byte) error {
	if conn == nil {
		return errors.New("no socket of its family")
	}
	message := [1]udp.Message{{To: to, Data: data, TTL: ttl}}
	conn.Write(message[:], udp.Mode{})
	return message[0].Err
}

// redeem sends the redemption.
func (j *joiner) redeem(now time.Duration) {
	j.asked = now
	r := j.o.Token.Redeem(
		j.t.Binding(), j.o.Sign, roster.SessionKey(j.o.Session.Public()), j.o.Name,
	)
	j.say(roster.AppendRedeem(nil, r))
}

// say seals a message and sends it to where the inviter was reached.
func (j *joiner) say(plain []byte) {
	counter, ok := j.t.Reserve(1)
	if !ok {
		return
	}
	dg := make([]byte, wire.Overhead+len(plain))
	wire.Header{Index: j.t.RemoteIndex(), Counter: counter, Last: true}.Put(dg)
	j.t.Seal(dg, plain)
	_ = j.send(j.conn, j.from, dg) // it is said again
}

// receive takes one datagram. It gives the grant when that is it, and the refusal as an error.
func (j *joiner) receive(now time.Duration, d datagram) (*roster.Grant, error) {
	switch wire.KindOf(d.data) {
	case wire.Handshake2, wire.Cookie:
		r := j.endpoint.Receive(now, d.from, d.data)
		if r.Reply != nil {
			_ = j.send(d.conn, d.from, r.Reply)
		}
		if r.New != nil {
			if j.t == nil {
				j.since = now
			}
			j.t, j.conn, j.from, j.heard = r.New, d.conn, d.from, now
			j.items = nil
			j.redeem(now)
		}
	case wire.Data:
		return j.data(d)
	}
	return nil, nil
}

// data takes a sealed message of the inviter.
func (j *joiner) data(d datagram) (*roster.Grant, error) {
	if j.t == nil || len(d.data) < wire.Overhead {
		return nil, nil
	}
	h := wire.ParseHeader(d.data)
	if h.Index != j.t.Index() || h.VNI != 0 || !h.Last || h.Chunk != 0 || h.Flags != 0 {
		return nil, nil
	}
	plain, reason := j.t.Open(d.data[wire.HeaderLen:wire.HeaderLen], d.data)
	if reason != drop.None {
		return nil, nil
	}
	j.heard = time.Since(j.start)
	switch wire.TypeOf(plain) {
	case wire.TypePing:
		j.say(wire.Pong{
			Number: wire.ParsePing(plain).Number, Observed: d.from, Received: j.t.Received(),
		}.Append(nil))
	case wire.TypeItems:
		items, err := roster.ParseItems(plain[1:])
		if err == nil && len(j.items)+len(items) <= maxItems {
			j.items = append(j.items, items...)
		}
	case wire.TypeRefusal:
		if refusal, err := roster.ParseRefusal(plain); err == nil {
			return nil, refusal
		}
	case wire.TypeGrant:
		return j.grant(plain)
	}
	return nil, nil
}

// maxItems bounds what an inviter has to say of itself.
const maxItems = 64

// grant checks that what was granted is what the invitation was for. The inviter's keys are those of
// the invitation, so what is wrong here is no forgery but a mistake.
func (j *joiner) grant(plain []byte) (*roster.Grant, error) {
	g, err := roster.ParseGrant(plain)
	if err != nil {
		return nil, err
	}
	own := roster.SignKey(j.o.Sign.Public().(ed25519.PublicKey))
	_, err = g.Check(j.o.Token.Network, own, roster.SessionKey(j.o.Session.Public()))
	return g, err
}
