package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// bufferSize holds what arrives while a reader is not scheduled: some 20,000 small frames.
const bufferSize = 32 << 20

// A packetSocket sees the frames of one device.
type packetSocket struct{ file *os.File }

// openPacket opens a packet socket on a device, which must be there. With protocol 0 it only
// sends.
func (n *NS) openPacket(device string, protocol uint16) (*packetSocket, error) {
	var s *packetSocket
	err := n.Do(func() (err error) {
		s, err = newPacketSocket(device, protocol)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: open packet socket on %s: %w", n.name, device, err)
	}
	return s, nil
}

func newPacketSocket(device string, protocol uint16) (*packetSocket, error) {
	dev, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	// Protocol 0 until the socket is bound, or it would hear the other devices for a moment.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &packetSocket{file: os.NewFile(uintptr(fd), "packet:"+device)}
	if err := setBuffers(fd); err != nil {
		s.file.Close()
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		s.file.Close()
		return nil, fmt.Errorf("ask for VLAN tags: %w", err)
	}
	bind := unix.SockaddrLinklayer{
		Protocol: binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, protocol)),
		Ifindex:  dev.Index,
	}
	if err := unix.Bind(fd, &bind); err != nil {
		s.file.Close()
		return nil, fmt.Errorf("bind: %w", err)
	}
	return s, nil
}

// setBuffers makes room, as much as root may have or else as anybody may.
func setBuffers(fd int) error {
	for _, o := range []struct{ force, ask int }{
		{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF},
		{unix.SO_SNDBUFFORCE, unix.SO_SNDBUF},
	} {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, o.force, bufferSize)
		if errors.Is(err, unix.EPERM) { // root of a user namespace is not that root
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, o.ask, bufferSize)
		}
		if err != nil {
			return fmt.Errorf("set buffer size: %w", err)
		}
	}
	return nil
}

// vlanTag puts a tag that the kernel took out of the frame back where it was. The kernel hands it
// over beside the frame (linux/if_packet.h, tpacket_auxdata).
func vlanTag(frame, control []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return frame
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data)
		if status&unix.TP_STATUS_VLAN_VALID == 0 || len(frame) < 12 {
			continue
		}
		tci, tpid := binary.NativeEndian.Uint16(m.Data[16:]), uint16(unix.ETH_P_8021Q)
		if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = binary.NativeEndian.Uint16(m.Data[18:])
		}
		tag := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tpid), tci)
		frame = append(append(append([]byte(nil), frame[:12]...), tag...), frame[12:]...)
	}
	return frame
}
