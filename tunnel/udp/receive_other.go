//go:build !linux

package udp

import (
	"errors"
	"net"
)

// A reader receives from one socket, a datagram at a time.
type reader struct {
	s        *Socket
	datagram [1]Datagram
	buffer   []byte
}

// NewReader makes a reader for the socket, which only one goroutine may use.
func (s *Socket) NewReader() Reader { return &reader{s: s, buffer: make([]byte, MaxDatagram)} }

// Read waits for a datagram, borrowed until the next Read, whatever wait says: this system's loops
// read from one socket each. After Close it returns [net.ErrClosed]; other errors are the system's and pass.
func (r *reader) Read(bool) ([]Datagram, error) {
	n, from, err := r.s.conn.ReadFromUDPAddrPort(r.buffer)
	switch {
	case errors.Is(err, net.ErrClosed):
		return nil, net.ErrClosed
	case err != nil:
		return nil, err
	}
	r.datagram[0] = Datagram{Data: r.buffer[:n], From: from}
	return r.datagram[:], nil
}
