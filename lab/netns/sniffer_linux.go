package netns

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Packet is one frame seen on a device.
type Packet struct {
	Data []byte // from the Ethernet header on, VLAN tags where they were
	Out  bool   // sent by this host, not received
	Time time.Time
}

// keepLimit bounds the packets a sniffer keeps; further ones are only counted.
const keepLimit = 1 << 16

// A Sniffer counts and keeps the frames of one device that its filter wants.
type Sniffer struct {
	socket *packetSocket
	want   func(Packet) bool

	mu      sync.Mutex
	packets []Packet
	count   int
	changed chan struct{} // closed at every new packet, then replaced

	done chan struct{}
}

// Sniff opens a sniffer on a device; it has seen everything that passes after Sniff returned. The
// filter gets frames it must not keep; nil wants all. [Sniffer.Close] must end it.
func (n *NS) Sniff(device string, want func(Packet) bool) (*Sniffer, error) {
	socket, err := n.openPacket(device, unix.ETH_P_ALL)
	if err != nil {
		return nil, err
	}
	if want == nil {
		want = func(Packet) bool { return true }
	}
	s := &Sniffer{
		socket: socket, want: want,
		changed: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run()
	return s, nil
}

func (s *Sniffer) run() {
	defer close(s.done)
	conn, err := s.socket.file.SyscallConn()
	if err != nil {
		return
	}
	frame, control := make([]byte, 1<<17), make([]byte, 128)
	for {
		var n, cn int
		var from unix.Sockaddr
		var recvErr error
		err := conn.Read(func(fd uintptr) bool {
			n, cn, _, from, recvErr = unix.Recvmsg(int(fd), frame, control, 0)
			return recvErr != unix.EAGAIN
		})
		if err != nil {
			return // closed
		}
		if recvErr != nil {
			continue // the device went down: nothing is lost by going on
		}
		link, _ := from.(*unix.SockaddrLinklayer)
		s.take(Packet{
			Data: vlanTag(frame[:n], control[:cn]),
			Out:  link != nil && link.Pkttype == unix.PACKET_OUTGOING,
			Time: time.Now(),
		})
	}
}

func (s *Sniffer) take(p Packet) {
	if !s.want(p) {
		return
	}
	p.Data = slices.Clone(p.Data)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if len(s.packets) < keepLimit {
		s.packets = append(s.packets, p)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// Count is the number of wanted frames so far.
func (s *Sniffer) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Packets are the wanted frames so far, oldest first.
func (s *Sniffer) Packets() []Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.packets)
}

// Reset forgets what was seen.
func (s *Sniffer) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packets, s.count = nil, 0
}

// Wait returns the wanted frames as soon as there are n of them.
func (s *Sniffer) Wait(n int, limit time.Duration) ([]Packet, error) {
	timeout := time.After(limit)
	for {
		s.mu.Lock()
		count, changed := s.count, s.changed
		s.mu.Unlock()
		if count >= n {
			return s.Packets(), nil
		}
		select {
		case <-changed:
		case <-timeout:
			return s.Packets(), fmt.Errorf("%d of %d frames on %s after %s",
				count, n, s.socket.file.Name(), limit)
		}
	}
}

// Close ends the sniffer; what it saw stays readable.
func (s *Sniffer) Close() error {
	err := s.socket.file.Close()
	<-s.done
	return err
}
