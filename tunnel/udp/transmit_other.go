//go:build !linux

package udp

import (
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A transmitter sends messages datagram by datagram. The socket's lock guards it.
type transmitter struct {
	s        *Socket
	ttl, tos uint8
}

func (t *transmitter) init(s *Socket) { t.s = s }

func (t *transmitter) send(msgs []Message) {
	for i := range msgs {
		m := &msgs[i]
		t.setHeader(m.TTL, m.TOS)
		data, segment := m.Data, m.SegmentSize
		if segment == 0 {
			segment = len(data)
		}
		for len(data) > 0 {
			n := min(segment, len(data))
			if _, err := t.s.conn.WriteToUDPAddrPort(data[:n], m.To); err != nil {
				m.fail(1, err)
			}
			data = data[n:]
		}
	}
}

// setHeader changes the socket's TTL and traffic class when the next datagram wants others. A
// system that does not allow it sends with its own.
func (t *transmitter) setHeader(ttl, tos uint8) {
	if ttl == t.ttl && tos == t.tos {
		return
	}
	t.ttl, t.tos = ttl, tos
	if t.s.v6 {
		p := ipv6.NewConn(t.s.conn)
		_, _ = p.SetHopLimit(int(ttl)), p.SetTrafficClass(int(tos))
		return
	}
	p := ipv4.NewConn(t.s.conn)
	_, _ = p.SetTTL(int(ttl)), p.SetTOS(int(tos))
}

// IsTooBig reports whether a datagram was refused because the path's MTU is smaller; this system
// fragments instead.
func IsTooBig(error) bool { return false }
