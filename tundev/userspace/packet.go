package userspace

import (
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/vxmesh/vxmesh/tundev/offload"
)

// inbound copies the packet that follows the first skip bytes of parts for the stack, which believes its
// checksums when they are said to be checked or never to have crossed a wire. It is nil for what is no IP
// packet at all, or longer than one can be.
func inbound(h offload.Header, parts [][]byte, skip int) *stack.PacketBuffer {
	size := -skip
	for _, p := range parts {
		size += len(p)
	}
	if size < header.IPv4MinimumSize || size > maxPacket+header.IPv6MinimumSize {
		return nil
	}
	view := buffer.NewView(size)
	for _, p := range parts {
		left := min(skip, len(p))
		_, _ = view.Write(p[left:]) // never short: there is room
		skip -= left
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(view)})
	p.RXChecksumValidated = h.Flags&(offload.NeedsCsum|offload.DataValid) != 0
	switch header.IPVersion(view.AsSlice()) {
	case header.IPv4Version:
		p.NetworkProtocolNumber = header.IPv4ProtocolNumber
	case header.IPv6Version:
		p.NetworkProtocolNumber = header.IPv6ProtocolNumber
	default:
		p.DecRef()
		return nil
	}
	return p
}

// outbound copies a packet of the stack's to buf, and says what is left to do for it.
func outbound(buf []byte, p *stack.PacketBuffer) (n int, h offload.Header) {
	for _, s := range p.AsSlices() {
		n += copy(buf[n:], s)
	}
	gso := &p.GSOOptions
	if gso.Type != stack.GSOTCPv4 && gso.Type != stack.GSOTCPv6 {
		return n, h
	}
	network, transport := len(p.NetworkHeader().Slice()), len(p.TransportHeader().Slice())
	if gso.NeedsCsum {
		h.Flags = offload.NeedsCsum
		h.CsumStart, h.CsumOffset = uint16(network), gso.CsumOffset
	}
	if p.Data().Size() > int(gso.MSS) {
		h.GSOType, h.GSOSize = offload.GSOTCPv4, gso.MSS
		if gso.Type == stack.GSOTCPv6 {
			h.GSOType = offload.GSOTCPv6
		}
		h.HdrLen = uint16(network + transport)
	}
	return n, h
}
