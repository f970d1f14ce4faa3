package capture

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// bufferSize is the room for packets that wait to be written. A listener has two such buffers:
// one is filled by the engine while the other is written.
const bufferSize = 2 << 20

// A Listener receives what its [Tap] is given from [Tap.Attach] until [Listener.Run] returns.
type Listener struct {
	tap     *Tap
	snaplen int
	vni     uint32        // 0 for every packet
	faces   []Interface   // of the file
	own     bool          // packets say which is theirs
	wake    chan struct{} // holds a token when there is something to write

	mu     sync.Mutex // never held while writing
	fill   []byte     // whole blocks; never grows beyond its capacity
	stats  []stats    // of each interface
	closed bool       // nothing is taken any more, so that the statistics end with the file

	spare []byte // owned by Run
}

// stats are what the file says of one interface.
type stats struct {
	received, dropped uint64
	reported          uint64 // the drops that the file tells of
	last              uint64 // time of the last packet, in ns since 1970
}

func newListener(t *Tap, o Options) *Listener {
	faces := o.Interfaces
	if faces == nil {
		faces = pointFaces
	}
	return &Listener{
		tap: t, snaplen: max(0, o.SnapLen), vni: o.VNI, faces: faces, own: o.Interfaces != nil,
		stats: make([]stats, len(faces)), wake: make(chan struct{}, 1),
		fill: make([]byte, 0, bufferSize), spare: make([]byte, 0, bufferSize),
	}
}

// face is the interface of a packet, if the file has it.
func (l *Listener) face(p *Packet) (face int, ok bool) {
	if face = int(p.Point); l.own {
		face = p.Interface
	}
	return face, face >= 0 && face < len(l.faces) && l.faces[face].Point == p.Point
}

// put encodes p into the buffer, or counts it as dropped if it does not fit.
func (l *Listener) put(p *Packet) {
	face, ok := l.face(p)
	if !ok || (l.vni != 0 && l.vni != p.VNI) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	s := &l.stats[face]
	s.received++
	s.last = uint64(p.Time.UnixNano())
	if len(l.fill)+blockBound(p, l.snaplen) > cap(l.fill) {
		s.dropped++
		return
	}
	l.fill = appendPacket(l.fill, p, face, l.snaplen)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run writes a pcapng file to w until ctx ends, which is no error, or w fails. Packets are written
// as soon as they come; when none are left, w is flushed if it has a Flush method. A write in
// progress is not interrupted: a writer that may block for ever needs a deadline of its own.
// Run is called once.
func (l *Listener) Run(ctx context.Context, w io.Writer) error {
	defer l.tap.detach(l)
	if err := l.run(ctx, w); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}

func (l *Listener) run(ctx context.Context, w io.Writer) error {
	if err := write(w, appendHeader(nil, l.faces, l.snaplen)); err != nil {
		return err
	}
	if err := flush(w); err != nil {
		return err
	}
	for {
		select {
		case <-l.wake:
			if err := l.drain(w); err != nil {
				return err
			}
		case <-ctx.Done():
			return l.finish(w)
		}
	}
}

// drain writes what is there, and flushes when that was all.
func (l *Listener) drain(w io.Writer) error {
	for {
		blocks, report := l.swap()
		if len(blocks)+len(report) == 0 {
			return flush(w)
		}
		if err := write(w, blocks); err != nil {
			return err
		}
		if err := write(w, report); err != nil {
			return err
		}
	}
}

// swap takes what has been filled and gives the engine the other buffer. The report tells of
// packets lost since the last one.
func (l *Listener) swap() (blocks, report []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	blocks, l.fill, l.spare = l.fill, l.spare[:0], l.fill
	for i := range l.stats {
		if s := &l.stats[i]; s.reported != s.dropped {
			s.reported = s.dropped
			report = appendStats(report, i, *s)
		}
	}
	return blocks, report
}

// finish writes what is left and the statistics of every interface that had a packet.
func (l *Listener) finish(w io.Writer) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	if err := l.drain(w); err != nil {
		return err
	}
	var end []byte
	for i, s := range l.stats {
		if s.received > 0 {
			end = appendStats(end, i, s)
		}
	}
	if err := write(w, end); err != nil {
		return err
	}
	return flush(w)
}

func write(w io.Writer, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := w.Write(b)
	return err
}

// flush reaches through the buffers of bufio and of net/http.
func flush(w io.Writer) error {
	switch f := w.(type) {
	case interface{ Flush() error }:
		return f.Flush()
	case interface{ Flush() }:
		f.Flush()
	}
	return nil
}
