package netns

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A Sender puts frames on a device as its host would.
type Sender struct{ socket *packetSocket }

// Sender opens a sender on a device; [Sender.Close] must end it.
func (n *NS) Sender(device string) (*Sender, error) {
	s, err := n.openPacket(device, 0)
	if err != nil {
		return nil, err
	}
	return &Sender{s}, nil
}

// Send transmits one Ethernet frame without its checksum.
func (s *Sender) Send(frame []byte) error {
	conn, err := s.socket.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("send frame: %w", err)
	}
	var sendErr error
	err = conn.Write(func(fd uintptr) bool {
		_, sendErr = unix.Write(int(fd), frame)
		return sendErr != unix.EAGAIN && sendErr != unix.ENOBUFS
	})
	if err == nil {
		err = sendErr
	}
	if err != nil {
		return fmt.Errorf("send frame of %d bytes: %w", len(frame), err)
	}
	return nil
}

// Close gives the socket back.
func (s *Sender) Close() error { return s.socket.file.Close() }
