package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxBatch is how many messages go into one sendmmsg.
const maxBatch = 64

// mmsghdr is struct mmsghdr of recvmmsg(2); unix does not have it.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// controlLen holds the largest set of control messages: TTL, traffic class, source address and
// segment size.
var controlLen = unix.CmsgSpace(4) + unix.CmsgSpace(4) +
	unix.CmsgSpace(unix.SizeofInet6Pktinfo) + unix.CmsgSpace(2)

// A transmitter sends messages with as few system calls as the kernel allows. The socket's lock
// guards it.
type transmitter struct {
	s       *Socket
	gso     bool // false once the kernel has said that it cannot segment
	headers [maxBatch]mmsghdr
	iovecs  [maxBatch]unix.Iovec
	names   [maxBatch]unix.RawSockaddrInet6 // an IPv4 name fits in it
	control []byte
	single  [maxBatch]Message // of a message that has to be sent datagram by datagram

	// The arguments and results of the system call, so that its closure is made once.
	call    func(fd uintptr) bool
	pending []mmsghdr
	sent    int
	errno   unix.Errno
}

func (t *transmitter) init(s *Socket) {
	t.s, t.gso = s, true
	t.control = make([]byte, maxBatch*controlLen)
	// A raw call, because it never waits: the scheduler would otherwise take the processor away
	// while the kernel carries the datagrams through half its stack, and give it back after.
	t.call = func(fd uintptr) bool {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd,
			uintptr(unsafe.Pointer(&t.pending[0])), uintptr(len(t.pending)),
			unix.MSG_DONTWAIT, 0, 0)
		t.sent, t.errno = int(n), errno
		return errno != unix.EAGAIN
	}
}

// send sends msgs, maxBatch at a time. A datagram without a checksum cannot be segmented by the
// kernel (udp(7)).
func (t *transmitter) send(msgs []Message) {
	if !t.gso || t.s.mode.NoChecksum {
		for i := range msgs {
			t.sendSingly(&msgs[i])
		}
		return
	}
	for len(msgs) > 0 {
		n := min(len(msgs), maxBatch)
		t.sendBatch(msgs[:n])
		msgs = msgs[n:]
	}
}

func (t *transmitter) sendBatch(msgs []Message) {
	for i := range msgs {
		t.fill(i, &msgs[i])
	}
	for i := 0; i < len(msgs); {
		t.pending, t.sent, t.errno = t.headers[i:len(msgs)], 0, 0
		if err := t.s.file.Write(t.call); err != nil {
			for ; i < len(msgs); i++ {
				msgs[i].fail(msgs[i].Datagrams(), net.ErrClosed)
			}
			break
		}
		switch {
		case t.errno == 0:
			i += t.sent
		case t.errno == unix.EINTR:
		default: // the first pending message was refused; those after it have not been tried
			t.refused(&msgs[i], t.errno)
			i++
			for j := i; j < len(msgs); j++ { // refused may have used the slots
				t.fill(j, &msgs[j])
			}
		}
	}
	runtime.KeepAlive(msgs)
}

// refused deals with a message the kernel did not take: several segments are tried one by one,
// because one larger than the link's MTU cannot be segmented but may be fragmented, and because
// some kernels and devices do not segment at all.
func (t *transmitter) refused(m *Message, errno unix.Errno) {
	if m.SegmentSize == 0 || m.SegmentSize >= len(m.Data) {
		m.fail(1, errno)
		return
	}
	if errno == unix.EIO { // no checksum offload on the way out: never will be (udp(7))
		t.gso = false
	}
	t.sendSingly(m)
}

// sendSingly sends each datagram of a message on its own.
func (t *transmitter) sendSingly(m *Message) {
	data, segment := m.Data, m.SegmentSize
	if segment == 0 {
		segment = len(data)
	}
	for len(data) > 0 {
		n := 0
		for ; n < maxBatch && len(data) > 0; n++ {
			size := min(segment, len(data))
			t.single[n] = *m
			t.single[n].Data, t.single[n].SegmentSize = data[:size], 0
			t.single[n].Failed, t.single[n].Err = 0, nil
			data = data[size:]
		}
		t.sendBatch(t.single[:n])
		for i := range t.single[:n] {
			if t.single[i].Failed > 0 {
				m.fail(1, t.single[i].Err)
			}
			t.single[i].Data = nil
		}
	}
}

// fill makes slot i describe message m. Segmentation is asked for where it can work.
func (t *transmitter) fill(i int, m *Message) {
	h := &t.headers[i]
	t.iovecs[i].Base = unsafe.SliceData(m.Data)
	t.iovecs[i].SetLen(len(m.Data))
	h.hdr.Iov = &t.iovecs[i]
	h.hdr.SetIovlen(1)
	h.hdr.Name = (*byte)(unsafe.Pointer(&t.names[i]))
	h.hdr.Namelen = putName(&t.names[i], m.To, t.s.v6)
	control := t.control[i*controlLen : (i+1)*controlLen]
	h.hdr.Control = &control[0]
	h.hdr.SetControllen(t.putControl(control, m))
}

// putControl writes the control messages of m and returns their length.
func (t *transmitter) putControl(b []byte, m *Message) int {
	n := 0
	if t.s.v6 {
		n += putCmsgInt(b[n:], unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, int32(m.TTL))
		n += putCmsgInt(b[n:], unix.IPPROTO_IPV6, unix.IPV6_TCLASS, int32(m.TOS))
	} else {
		n += putCmsgInt(b[n:], unix.IPPROTO_IP, unix.IP_TTL, int32(m.TTL))
		n += putCmsgInt(b[n:], unix.IPPROTO_IP, unix.IP_TOS, int32(m.TOS))
	}
	if m.From.IsValid() || m.IfIndex != 0 {
		n += putPktinfo(b[n:], m, t.s.v6)
	}
	if m.SegmentSize > 0 && m.SegmentSize < len(m.Data) {
		data := putCmsg(b[n:], unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
		binary.NativeEndian.PutUint16(data, uint16(m.SegmentSize))
		n += unix.CmsgSpace(2)
	}
	return n
}

// putPktinfo chooses source address and interface (ip(7), ipv6(7)).
func putPktinfo(b []byte, m *Message, v6 bool) int {
	if v6 {
		data := putCmsg(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		clear(data)
		if m.From.IsValid() {
			from := m.From.As16()
			copy(data, from[:])
		}
		binary.NativeEndian.PutUint32(data[16:], uint32(m.IfIndex))
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	data := putCmsg(b, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
	clear(data)
	binary.NativeEndian.PutUint32(data, uint32(m.IfIndex))
	if m.From.IsValid() {
		from := m.From.As4()
		copy(data[4:], from[:])
	}
	return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
}

func putCmsgInt(b []byte, level, kind int32, v int32) int {
	binary.NativeEndian.PutUint32(putCmsg(b, level, kind, 4), uint32(v))
	return unix.CmsgSpace(4)
}

// putCmsg writes the header of a control message and returns the place of its n bytes of data.
func putCmsg(b []byte, level, kind int32, n int) []byte {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(n))
	return b[unix.CmsgLen(0) : unix.CmsgLen(0)+n]
}

// putName writes a socket address and returns its length. The scope of a link-local address is
// its zone, an interface index in decimal.
func putName(name *unix.RawSockaddrInet6, to netip.AddrPort, v6 bool) uint32 {
	port := to.Port()
	if !v6 {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		sa.Family, sa.Addr = unix.AF_INET, to.Addr().As4()
		putPort(&sa.Port, port)
		return unix.SizeofSockaddrInet4
	}
	name.Family, name.Addr, name.Flowinfo = unix.AF_INET6, to.Addr().As16(), 0
	name.Scope_id = scope(to.Addr())
	putPort(&name.Port, port)
	return unix.SizeofSockaddrInet6
}

// putPort writes a port in network byte order.
func putPort(field *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(field))[:], port)
}

// scope reads a decimal zone; [Message.IfIndex] serves everything else.
func scope(a netip.Addr) (index uint32) {
	if a.Zone() == "" {
		return 0
	}
	for _, c := range a.Zone() {
		if c < '0' || c > '9' {
			return 0
		}
		index = index*10 + uint32(c-'0')
	}
	return index
}

// IsTooBig reports whether a datagram was refused because the path's MTU is smaller.
func IsTooBig(err error) bool { return errors.Is(err, unix.EMSGSIZE) }
