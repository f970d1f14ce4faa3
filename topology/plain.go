package topology

import (
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// A PlainDatagram is one of plain VXLAN that a node sent or got over this machine's network.
type PlainDatagram struct {
	Host     *Host
	Out      bool
	Time     time.Time
	From, To netip.AddrPort
	Bytes    []byte // borrowed
}

// Frame is the frame in it, nil where there is none.
func (p *PlainDatagram) Frame() ether.Frame {
	if len(p.Bytes) < vxlan.HeaderLen+ether.HeaderLen {
		return nil
	}
	return p.Bytes[vxlan.HeaderLen:]
}

// listen opens a socket of the node: the mesh's on the internet in memory, those of plain VXLAN on this
// machine's network.
func (h *Host) listen(a netip.AddrPort, o udp.Options) (udp.Conn, error) {
	if h.plan.Plain == nil || a.Port() == Port {
		return h.net.Listen(a, o)
	}
	c, err := udp.Listen(a, o)
	if err != nil {
		return nil, err
	}
	return &plainConn{c, h}, nil
}

// A plainConn is a socket that shows what passes.
type plainConn struct {
	udp.Conn
	h *Host
}

// Write implements [udp.Conn].
func (c *plainConn) Write(msgs []udp.Message, mode udp.Mode) {
	from := netip.AddrPortFrom(c.h.plan.Plain.Listen.Addr(), c.LocalAddr().Port())
	for _, m := range msgs {
		c.show(true, from, m.To, m.Data, m.SegmentSize)
	}
	c.Conn.Write(msgs, mode)
}

// show shows the datagrams of a message, each of size bytes but the last; 0 is one alone.
func (c *plainConn) show(out bool, from, to netip.AddrPort, data []byte, size int) {
	if size == 0 {
		size = max(1, len(data))
	}
	for d := range slices.Chunk(data, size) {
		c.h.w.plain(&PlainDatagram{c.h, out, time.Now(), from, to, d})
	}
}

// NewReader implements [udp.Conn].
func (c *plainConn) NewReader() udp.Reader { return &plainReader{c.Conn.NewReader(), c} }

type plainReader struct {
	udp.Reader
	c *plainConn
}

// Read implements [udp.Reader].
func (r *plainReader) Read(wait bool) ([]udp.Datagram, error) {
	all, err := r.Reader.Read(wait)
	for _, d := range all {
		r.c.show(false, d.From, r.c.LocalAddr(), d.Data, d.SegmentSize)
	}
	return all, err
}
