package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// flows are UDP conversations, by who or what the datagrams are from or for.
type flows struct {
	s   *service
	ctx context.Context

	mu    sync.Mutex
	byKey map[string]*flow
}

// A flow is one conversation.
type flow struct {
	conn net.Conn
	used atomic.Bool // since it was looked at
}

// send passes one datagram on. The first of a conversation opens a connection for it, whose answers go
// to back; b is the reader's until then.
func (t *flows) send(
	key string, b []byte, open func() (net.Conn, error), back func(b []byte) error,
) {
	t.mu.Lock()
	f := t.byKey[key]
	t.mu.Unlock()
	if f == nil {
		if f = t.begin(key, open, back); f == nil {
			return
		}
	}
	f.used.Store(true)
	_, _ = f.conn.Write(b) // datagrams may be lost
}

// begin opens a conversation; nil when there can be none. Only the goroutine that reads the socket
// calls it, so there is one for a key.
func (t *flows) begin(
	key string, open func() (net.Conn, error), back func(b []byte) error,
) *flow {
	s := t.s
	if s.open.Add(1) > int64(s.p.options.limits.flows) {
		s.open.Add(-1)
		s.refused.Add(1)
		return nil
	}
	conn, err := open()
	if err != nil {
		s.open.Add(-1)
		return nil
	}
	s.total.Add(1)
	f := &flow{conn: conn}
	t.mu.Lock()
	t.byKey[key] = f
	t.mu.Unlock()
	s.p.tasks.Go(func() {
		defer s.open.Add(-1)
		f.answer(t.ctx, s.p.options.limits.idle, back)
		t.mu.Lock()
		delete(t.byKey, key)
		t.mu.Unlock()
	})
	return f
}

// answer passes on what comes back, until nothing has come or gone for so long, or ctx ends.
func (f *flow) answer(ctx context.Context, idle time.Duration, back func(b []byte) error) {
	defer func() { _ = f.conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = f.conn.Close() })()
	buf := passBuffers.Get().(*[passSize]byte)
	defer passBuffers.Put(buf)
	for {
		_ = f.conn.SetReadDeadline(time.Now().Add(idle))
		n, err := f.conn.Read(buf[:])
		if err == nil {
			f.used.Store(true)
			err = back(buf[:n])
		}
		if err != nil && !(isTimeout(err) && f.used.Swap(false)) {
			return
		}
	}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// servePackets has each sender talk to the place that the job goes to.
func (s *service) servePackets() {
	buf := make([]byte, passSize)
	var pause pause
	for {
		n, from, err := s.packets.ReadFrom(buf)
		j := s.job.Load()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || !pause.take(j.ctx) {
				return
			}
			continue
		}
		pause = 0
		in, out := &s.tx, &s.rx
		if s.place.stack != nil {
			in, out = out, in
		}
		in.Add(uint64(n))
		j.flows.send(from.String(), buf[:n],
			func() (net.Conn, error) { return s.dial(j) },
			func(b []byte) error {
				out.Add(uint64(len(b)))
				_, err := s.packets.WriteTo(b, from)
				return err
			})
	}
}
