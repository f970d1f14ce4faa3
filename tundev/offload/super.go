package offload

import "github.com/vxmesh/vxmesh/tundev/ether"

// Guess gives the metadata of a frame that arrived larger than the segment's MTU. That happens
// when a kernel tunnels a super-frame over a link with tunnel offloads, as between namespaces or
// virtual machines of one host: the datagram arrives whole, and of the metadata only the size of
// UDP segments survives (gsoSize; 0 for TCP). mtu bounds the size of TCP segments. ok is false
// when the frame is no super-frame, or one whose checksum is already finished.
func Guess(frame []byte, gsoSize, mtu int) (h Header, ok bool) {
	seg, ok := parseSegment(frame)
	if !ok || !seg.partial {
		return Header{}, false
	}
	h = seg.header()
	h.HdrLen = uint16(seg.payload)
	switch {
	case seg.udp:
		h.GSOType, h.GSOSize = GSOUDPL4, uint16(gsoSize)
	case seg.ip.Version == 4:
		h.GSOType, h.GSOSize = GSOTCPv4, uint16(mtu-(seg.payload-seg.ip.Offset))
	default:
		h.GSOType, h.GSOSize = GSOTCPv6, uint16(mtu-(seg.payload-seg.ip.Offset))
	}
	return h, h.GSOSize > 0 && seg.ip.End-seg.payload > int(h.GSOSize)
}

// PacketEnd is where the IP packet of a frame ends by its own length, 0 when the frame is not IP
// or lies. It tells a super-frame that arrived whole from datagrams that were merged on the way.
func PacketEnd(frame ether.Frame) int {
	if !frame.Valid() {
		return 0
	}
	ip, ok := ether.ParseIP(frame)
	if !ok {
		return 0
	}
	return ip.End
}
