// Package offload turns super-frames into frames and frames into super-frames.
//
// A super-frame is what a Linux kernel hands over when its device has offloads: up to 64 KB of one
// TCP or UDP flow behind a single set of headers, often with the transport checksum left to the
// next one in line. A [Header] says what is left to do; [Segmenter] does it when the frame has to
// leave as plain Ethernet, and [Coalescer] undoes it on the way back.
package offload

import "encoding/binary"

// HeaderLen is the length of a virtio_net_hdr without num_buffers, as TAP devices use it
// (linux/virtio_net.h).
const HeaderLen = 10

// Bits of [Header.Flags] (VIRTIO 1.3, 5.1.6).
const (
	NeedsCsum = 1 // the checksum at CsumStart+CsumOffset is only the pseudo-header's sum
	DataValid = 2 // the checksum has been verified
)

// Values of [Header.GSOType], and the ECN bit that may stand beside the TCP ones.
const (
	GSONone  = 0
	GSOTCPv4 = 1
	GSOTCPv6 = 4
	GSOUDPL4 = 5
	GSOECN   = 0x80 // the TCP segments carry CWR: set it on the first only
)

// A Header is the offload metadata of one frame: the fields of a virtio_net_hdr. The zero Header
// belongs to a plain frame with complete checksums.
type Header struct {
	Flags      uint8
	GSOType    uint8
	HdrLen     uint16 // bytes of headers before the payload that is to be cut; a hint
	GSOSize    uint16 // payload bytes of each segment but the last
	CsumStart  uint16 // offset in the frame at which the checksum's range begins
	CsumOffset uint16 // offset from CsumStart at which the checksum stands
}

// ParseHeader reads a header from the first [HeaderLen] bytes of b, little-endian as
// TUNSETVNETLE fixes it.
func ParseHeader(b []byte) Header {
	_ = b[HeaderLen-1]
	return Header{
		Flags: b[0], GSOType: b[1],
		HdrLen:     binary.LittleEndian.Uint16(b[2:]),
		GSOSize:    binary.LittleEndian.Uint16(b[4:]),
		CsumStart:  binary.LittleEndian.Uint16(b[6:]),
		CsumOffset: binary.LittleEndian.Uint16(b[8:]),
	}
}

// Put writes the header into the first [HeaderLen] bytes of b.
func (h Header) Put(b []byte) {
	_ = b[HeaderLen-1]
	b[0], b[1] = h.Flags, h.GSOType
	binary.LittleEndian.PutUint16(b[2:], h.HdrLen)
	binary.LittleEndian.PutUint16(b[4:], h.GSOSize)
	binary.LittleEndian.PutUint16(b[6:], h.CsumStart)
	binary.LittleEndian.PutUint16(b[8:], h.CsumOffset)
}

// IsSuper reports whether the frame has to be cut before it fits the wire.
func (h Header) IsSuper() bool { return h.GSOType&^GSOECN != GSONone }
