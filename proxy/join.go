package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Join passes on what comes from either connection to the other, until both have ended, one breaks, or
// ctx ends; then both are closed. The end of one direction alone is passed on as such. A connection
// without a CloseWrite has no such end: it is closed with the first.
func Join(ctx context.Context, a, b net.Conn) {
	(&joint{here: a, there: b, limits: defaultLimits}).run(ctx)
}

// A joint is two connections that are one.
type joint struct {
	here, there net.Conn
	limits      limits

	halved atomic.Bool  // one direction has ended
	heard  atomic.Int64 // when something came last from either, in Unix nanoseconds
}

func (j *joint) run(ctx context.Context) {
	defer context.AfterFunc(ctx, j.close)()
	defer j.close()
	j.heard.Store(time.Now().UnixNano())
	var back sync.WaitGroup
	back.Go(func() { j.pass(j.here, j.there) })
	j.pass(j.there, j.here)
	back.Wait()
}

func (j *joint) close() {
	_ = j.here.Close()
	_ = j.there.Close()
}

// passSize is how much is read at once, in bytes: the largest datagram, or a good piece of a stream.
const passSize = 64 << 10

var passBuffers = sync.Pool{New: func() any { return new([passSize]byte) }}

// pass passes one direction on.
func (j *joint) pass(to, from net.Conn) {
	buf := passBuffers.Get().(*[passSize]byte)
	defer passBuffers.Put(buf)
	j.await(from)
	for {
		n, err := from.Read(buf[:])
		if n > 0 || err == nil { // a datagram may be empty
			j.heard.Store(time.Now().UnixNano())
			if _, writeErr := to.Write(buf[:n]); writeErr != nil {
				break
			}
		}
		if err == nil || isTimeout(err) && j.await(from) {
			continue
		}
		if errors.Is(err, io.EOF) && closeWrite(to) == nil {
			j.halved.Store(true)
			j.heard.Store(time.Now().UnixNano()) // its end is something, too
			j.await(to)
			return
		}
		break
	}
	j.close()
}

// await has a read end when nothing has come from either connection for too long: the other end may be
// gone without a word. It gives false when that is so now.
func (j *joint) await(c net.Conn) bool {
	most := j.limits.silent
	if j.halved.Load() {
		most = j.limits.half
	}
	end := time.Unix(0, j.heard.Load()).Add(most)
	_ = c.SetReadDeadline(end)
	return time.Now().Before(end)
}
