package control

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// MaxDialTimeout bounds how long a node tries to reach somebody.
const MaxDialTimeout = time.Hour

// DialRequest is the body of POST /v1/dial: a stream to somewhere in a segment whose device is in
// userspace, or with Listen one from there. Of UDP each datagram has its length before it, 2 bytes with
// the higher first.
type DialRequest struct {
	VNI            uint32  `json:"vni"`             // 0 = the segment that the address is in
	Protocol       string  `json:"protocol"`        // "tcp" or "udp"
	Address        string  `json:"address"`         // host:port; the host is an address or a member's name
	Listen         bool    `json:"listen"`          // wait for one who comes to the port; the host may be ""
	TimeoutSeconds float64 `json:"timeout_seconds"` // to wait; 0 = 15 seconds, and with listen without end
}

// Check is as [FDBAdd.Check].
func (r DialRequest) Check() error {
	if r.Protocol != "tcp" && r.Protocol != "udp" {
		return Errorf(CodeUsage, "protocol is tcp or udp, not %q", r.Protocol)
	}
	host, port, err := net.SplitHostPort(r.Address)
	if err != nil {
		return Errorf(CodeUsage, "address is host:port, not %q", r.Address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return Errorf(CodeUsage, "a port is a number from 1 to 65535, not %q", port)
	}
	if host == "" && !r.Listen {
		return Errorf(CodeUsage, "address has no host: %q", r.Address)
	}
	if r.TimeoutSeconds < 0 || r.TimeoutSeconds > MaxDialTimeout.Seconds() {
		return Errorf(CodeUsage, "timeout_seconds is a number from 0 to %g, not %g",
			MaxDialTimeout.Seconds(), r.TimeoutSeconds)
	}
	return checkTags(r.VNI, 0)
}

// Timeout is how long to wait; 0 is without end.
func (r DialRequest) Timeout() time.Duration {
	if r.TimeoutSeconds == 0 && !r.Listen {
		return 15 * time.Second
	}
	return time.Duration(r.TimeoutSeconds * float64(time.Second))
}

// NoOverlay is the refusal of a [DialRequest] or an [OverlayPing] by a segment whose device is not in
// userspace; to is where the client wanted to get.
func NoOverlay(s SegmentStatus, to string) *Error {
	if s.Device.Kind == "none" {
		e := Errorf(CodeUsage, "vni %d has no device on this node", s.VNI)
		e.Fix = []string{`give it one that needs no root   kind = "userspace" in [segments.device]`}
		return e
	}
	e := Errorf(CodeUsage, "vni %d has %s, a device of the system, which every program here uses by itself",
		s.VNI, s.Device.Name)
	e.Fix = []string{"without vxmesh   ping " + to, "                 nc " + to + " PORT"}
	return e
}

// DialOverlay opens a stream through the node into a segment. Of TCP it has a method CloseWrite; of UDP each
// Read and Write is a datagram. The end of ctx ends the wait for it and not the stream.
func (c Client) DialOverlay(ctx context.Context, r DialRequest) (net.Conn, error) {
	if r.Timeout() > 0 { // the node keeps the time; this is for one that does not answer at all
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout()+answerTimeout)
		defer cancel()
	}
	conn, err := c.openStream(ctx, "/v1/dial", r)
	if err != nil {
		return nil, err
	}
	return framed(conn, r.Protocol), nil
}

// dial answers POST /v1/dial.
func (s *server) dial(w http.ResponseWriter, r *http.Request) {
	req, err := requestOf[DialRequest](s, w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	s.stream(w, r, func(ctx context.Context, accept func() (net.Conn, error)) error {
		return s.b.DialOverlay(ctx, req, func() (net.Conn, error) {
			c, err := accept()
			if err != nil {
				return nil, err
			}
			return framed(c, req.Protocol), nil
		})
	})
}

// framed gives the datagrams of a stream where there are some.
func framed(c net.Conn, protocol string) net.Conn {
	if protocol == "udp" {
		return &datagrams{Conn: c}
	}
	return c
}

// datagrams are a connection of which each Read and Write is a datagram: their lengths stand before
// them. It may be read by one goroutine and written by one.
type datagrams struct{ net.Conn }

const maxDatagram = 1<<16 - 1

// Read implements [io.Reader]. What of a datagram does not fit is lost.
func (d *datagrams) Read(b []byte) (int, error) {
	var head [2]byte
	if _, err := io.ReadFull(d.Conn, head[:]); err != nil {
		return 0, err
	}
	size := int(binary.BigEndian.Uint16(head[:]))
	n, err := io.ReadFull(d.Conn, b[:min(size, len(b))])
	if err == nil {
		_, err = io.CopyN(io.Discard, d.Conn, int64(size-n))
	}
	return n, err
}

// Write implements [io.Writer].
func (d *datagrams) Write(b []byte) (int, error) {
	if len(b) > maxDatagram {
		return 0, Errorf(CodeUsage, "a datagram has at most %d bytes, not %d", maxDatagram, len(b))
	}
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(b)), uint16(len(b)))
	n, err := d.Conn.Write(append(framed, b...))
	return max(0, n-2), err
}
