package udp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readBatch is how many messages one Read takes. Each may hold 64 KB, so more would only push each
// other out of the cache: half a megabyte is what a core has for itself.
const readBatch = 8

// rxControlLen holds the traffic class and the segment size.
var rxControlLen = unix.CmsgSpace(4) + unix.CmsgSpace(4)

// A reader receives from one socket with recvmmsg.
type reader struct {
	s         *Socket
	datagrams [readBatch]Datagram
	headers   [readBatch]mmsghdr
	iovecs    [readBatch]unix.Iovec
	names     [readBatch]unix.RawSockaddrInet6
	control   []byte
	zones     map[uint32]string // of link-local sources, made once each
	buffers   []byte

	// The results of the system call, so that its closure is made once.
	call  func(fd uintptr) bool
	n     int
	errno unix.Errno
}

// NewReader makes a reader for the socket, which only one goroutine may use.
func (s *Socket) NewReader() Reader {
	r := &reader{
		s: s, control: make([]byte, readBatch*rxControlLen), zones: make(map[uint32]string),
		buffers: make([]byte, readBatch*MaxDatagram),
	}
	for i := range r.headers {
		r.iovecs[i].Base = &r.buffers[i*MaxDatagram]
		r.iovecs[i].SetLen(MaxDatagram)
		h := &r.headers[i].hdr
		h.Iov = &r.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Control = &r.control[i*rxControlLen]
	}
	r.call = func(fd uintptr) bool {
		for i := range r.headers {
			r.headers[i].hdr.Namelen = unix.SizeofSockaddrInet6
			r.headers[i].hdr.SetControllen(rxControlLen)
		}
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd,
			uintptr(unsafe.Pointer(&r.headers[0])), readBatch, unix.MSG_DONTWAIT, 0, 0)
		r.n, r.errno = int(n), errno
		return errno != unix.EAGAIN
	}
	return r
}

// Read returns what has arrived, borrowed until the next Read. With wait it waits for the first.
// After Close it returns [net.ErrClosed]; other errors are the kernel's and pass.
func (r *reader) Read(wait bool) ([]Datagram, error) {
	for {
		var err error
		if wait {
			err = r.s.file.Read(r.call)
		} else {
			err = r.s.file.TryRead(r.call)
		}
		if err != nil {
			return nil, closedError(err)
		}
		switch r.errno {
		case 0:
			for i := range r.n {
				r.parse(i)
			}
			return r.datagrams[:r.n], nil
		case unix.EAGAIN:
			return nil, nil
		case unix.EINTR:
		default:
			return nil, r.errno
		}
	}
}

// parse turns slot i into a datagram.
func (r *reader) parse(i int) {
	d, h := &r.datagrams[i], &r.headers[i]
	start := i * MaxDatagram
	*d = Datagram{Data: r.buffers[start : start+int(h.len) : start+int(h.len)]}
	if h.hdr.Flags&unix.MSG_TRUNC != 0 {
		d.Data = d.Data[:0] // larger than anything that fits IP: counted as truncated
	}
	d.From = r.parseName(&r.names[i])
	control := r.control[i*rxControlLen:][:h.hdr.Controllen]
	for len(control) >= unix.CmsgLen(0) {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		size := int(c.Len)
		if size < unix.CmsgLen(0) || size > len(control) {
			break
		}
		d.note(c.Level, c.Type, control[unix.CmsgLen(0):size])
		control = control[min(len(control), unix.CmsgSpace(size-unix.CmsgLen(0))):]
	}
}

// note takes one control message over into the datagram.
func (d *Datagram) note(level, kind int32, data []byte) {
	switch {
	case level == unix.IPPROTO_UDP && kind == unix.UDP_GRO && len(data) >= 2:
		d.SegmentSize = int(binary.NativeEndian.Uint16(data)) // an int on new kernels; both hold it
		if len(data) >= 4 {
			d.SegmentSize = int(binary.NativeEndian.Uint32(data))
		}
	case level == unix.IPPROTO_IP && kind == unix.IP_TOS && len(data) >= 1:
		d.TOS = data[0]
	case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_TCLASS && len(data) >= 4:
		d.TOS = uint8(binary.NativeEndian.Uint32(data))
	}
}

// parseName reads a source address. The zone of a link-local one is the interface's index.
func (r *reader) parseName(name *unix.RawSockaddrInet6) netip.AddrPort {
	if name.Family == unix.AF_INET {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), getPort(&sa.Port))
	}
	addr := netip.AddrFrom16(name.Addr)
	if name.Scope_id != 0 && addr.IsLinkLocalUnicast() {
		zone, known := r.zones[name.Scope_id]
		if !known {
			zone = strconv.FormatUint(uint64(name.Scope_id), 10)
			r.zones[name.Scope_id] = zone
		}
		addr = addr.WithZone(zone)
	}
	return netip.AddrPortFrom(addr, getPort(&name.Port))
}

// getPort reads a port in network byte order.
func getPort(field *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(field))[:])
}

// getMeminfo reads SO_MEMINFO; on error info keeps its zeros.
func getMeminfo(fd uintptr, info *[9]uint32) {
	size := uint32(unsafe.Sizeof(*info))
	_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
}
