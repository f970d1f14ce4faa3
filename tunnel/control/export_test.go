package control

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"time"
)

// The limits that tests lower so as not to wait for them.
type Limits struct {
	Conns, Streams          int
	Read, Write, StatsEvery time.Duration
}

// ServeWithin is Serve with the limits that are not zero.
func ServeWithin(want Limits) func(context.Context, net.Listener, Backend) error {
	return func(ctx context.Context, l net.Listener, b Backend) error {
		s := newServer(b)
		s.conns = cmp.Or(want.Conns, s.conns)
		s.slots = make(chan struct{}, cmp.Or(want.Streams, s.limits.streams))
		s.read = cmp.Or(want.Read, s.read)
		s.write = cmp.Or(want.Write, s.write)
		s.statsEvery = cmp.Or(want.StatsEvery, s.statsEvery)
		return s.serve(ctx, l)
	}
}

const (
	FollowBuffer = followBuffer
	LogKept      = logKept
)

var (
	DecodeFDBAdd   = decodeRequest[FDBAdd]
	DecodeFDBDel   = decodeRequest[FDBDel]
	DecodeFDBFlush = decodeRequest[FDBFlush]
	DecodePing     = decodeRequest[PingRequest]
	DecodeDial     = decodeRequest[DialRequest]
	DecodeOverlay  = decodeRequest[OverlayPing]
	DecodeInvite   = decodeRequest[InviteRequest]
	DecodeGuest    = decodeRequest[GuestRequest]
)

// DialError is what c makes of an error of its socket.
func DialError(c Client, err error) *Error { return c.dialError(err) }

// Ticker makes what a follower of these topics is sent at each tick, and forgets what others were.
func Ticker(b Backend, w http.ResponseWriter, topics ...Topic) (tick func() error) {
	f := &follower{s: newServer(b), out: newLineWriter(w), o: EventOptions{Topics: topics, Rate: time.Nanosecond}}
	return f.tick
}
