package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A service listens in one place and does there what its job says.
type service struct {
	p        *Proxies
	place    place
	listener net.Listener   // nil for UDP
	packets  net.PacketConn // nil for TCP
	*work
}

// work is what a service does and has done. It may outlive the socket.
type work struct {
	job    atomic.Pointer[job]
	broken atomic.Bool // the last connection went nowhere

	open                   atomic.Int64
	total, refused, failed atomic.Uint64
	rx, tx                 atomic.Uint64 // bytes from and into the segment
}

// A job is what a service does now, and the conversations that came of it.
type job struct {
	Service
	ctx   context.Context // ends with the job
	end   context.CancelFunc
	flows *flows
}

// attrs are a job's keys in the log.
func (j *job) attrs() []any {
	return []any{"vni", j.VNI, "kind", j.Kind, "protocol", j.Network, "listen", j.Listen, "to", j.To}
}

// assign gives the service a job. What came of another one ends.
func (s *service) assign(want Service) {
	old := s.job.Load()
	if old != nil && old.Service == want {
		return
	}
	j := &job{Service: want}
	j.ctx, j.end = context.WithCancel(context.Background())
	j.flows = &flows{s: s, ctx: j.ctx, byKey: map[string]*flow{}}
	s.job.Store(j)
	if old != nil {
		old.end()
		s.p.options.Log.Info("proxy goes elsewhere", j.attrs()...)
	}
}

// listen opens the socket.
func (s *service) listen() (err error) {
	if s.place.network == "udp" {
		s.packets, err = s.place.listenPacket()
	} else {
		s.listener, err = s.place.listenStream()
	}
	return err
}

// stop ends the service. What it has started may end a moment later.
func (s *service) stop() {
	s.job.Load().end()
	s.close()
}

// close closes the socket; connections go on.
func (s *service) close() {
	if s.listener != nil {
		_ = s.listener.Close()
	} else {
		_ = s.packets.Close()
	}
}

// serve takes what comes until stop.
func (s *service) serve() {
	if s.listener == nil {
		s.servePackets()
		return
	}
	var pause pause
	for {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			s.take(c)
		case errors.Is(err, net.ErrClosed) || !pause.take(s.job.Load().ctx):
			return
		}
	}
}

// A pause is how long to wait before something that just failed is tried again; it grows.
type pause time.Duration

const maxPause = pause(time.Second)

// take waits; it gives false when ctx has ended.
func (d *pause) take(ctx context.Context) bool {
	*d = min(max(2**d, pause(5*time.Millisecond)), maxPause)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(*d)):
		return true
	}
}

// take serves a connection, unless there are too many.
func (s *service) take(c net.Conn) {
	if s.open.Add(1) > int64(s.p.options.limits.conns) {
		s.open.Add(-1)
		s.refused.Add(1)
		_ = c.Close()
		return
	}
	s.total.Add(1)
	j := s.job.Load()
	s.p.tasks.Go(func() {
		defer s.open.Add(-1)
		defer func() { _ = c.Close() }()
		if j.Kind == SOCKS {
			s.serveSOCKS(j, c)
			return
		}
		other, err := s.dial(j)
		if err != nil {
			return // the client learns it as the end of its connection
		}
		s.join(j.ctx, c, other)
	})
}

// dial reaches the place that the job goes to, and tells when that begins to fail or to work.
func (s *service) dial(j *job) (c net.Conn, err error) {
	if j.Kind == Publish {
		ctx, cancel := context.WithTimeout(j.ctx, s.p.options.limits.dial)
		defer cancel()
		c, err = (&net.Dialer{}).DialContext(ctx, j.Network, j.To)
	} else {
		c, err = s.p.Dial(j.ctx, j.VNI, j.Network, j.To)
	}
	log := s.p.options.Log
	switch {
	case j.ctx.Err() != nil:
	case err != nil:
		s.failed.Add(1)
		if !s.broken.Swap(true) {
			log.Warn("proxy leads nowhere", append(j.attrs(), "err", err)...)
		}
	case s.broken.Swap(false):
		log.Info("proxy leads somewhere again", j.attrs()...)
	}
	return c, err
}

// join passes on between the client c and the other end, and counts.
func (s *service) join(ctx context.Context, c, other net.Conn) {
	j := joint{limits: s.p.options.limits}
	if s.place.stack != nil {
		c, other = other, c
	}
	j.here, j.there = counted{c, &s.tx}, counted{other, &s.rx}
	j.run(ctx)
}

// A counted connection counts what is read from it.
type counted struct {
	net.Conn
	bytes *atomic.Uint64
}

// Read implements [io.Reader].
func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(uint64(n))
	return n, err
}

// CloseWrite ends what is sent, where that is possible.
func (c counted) CloseWrite() error { return closeWrite(c.Conn) }

func (s *service) stats() Stats {
	return Stats{
		Service: s.job.Load().Service, Open: int(s.open.Load()), Total: s.total.Load(),
		Refused: s.refused.Load(), Failed: s.failed.Load(), RxBytes: s.rx.Load(), TxBytes: s.tx.Load(),
	}
}

// errNoHalf says that a connection has no end of its own for each direction.
var errNoHalf = errors.New("no half-close")

func closeWrite(c io.Closer) error {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errNoHalf
}
