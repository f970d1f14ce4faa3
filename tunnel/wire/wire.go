// Package wire is the bytes of our own datagrams: which kind one is, the header before the sealed
// part, and the control messages inside it.
//
// Every datagram begins as VXLAN does (RFC 7348, 5): flags 0x08 and a VNI. The 32 bits that RFC 7348
// reserves carry an index: whom the datagram is for, or which handshake message it is. Everything
// here is a function of bytes, safe for concurrent use.
package wire

import "encoding/binary"

// Lengths, in bytes.
const (
	HeaderLen = 16                 // of a data datagram, before the sealed part
	TagLen    = 16                 // of the AEAD behind it
	Overhead  = HeaderLen + TagLen // of a data datagram over what it carries
)

// MaxChunks is how many datagrams a message is cut into at most.
const MaxChunks = 128

// MaxCounter is the largest counter: 48 bits.
const MaxCounter = 1<<48 - 1

// The indices below MinIndex are not sessions. Plain is an RFC 7348 frame, which nobody sealed.
const (
	indexPlain      = 0
	indexHandshake1 = 1
	indexHandshake2 = 2
	indexCookie     = 3
	indexHello      = 4 // of package lan
	indexOpener     = 5
	MinIndex        = 256
)

// flagVNI is the I flag: the VNI is valid (RFC 7348, 5). We set no other bit of byte 0.
const flagVNI = 0x08

// A Kind says what a datagram is by its first bytes.
type Kind uint8

// The kinds. What a kind's own parser refuses is junk still.
const (
	Junk Kind = iota
	Plain
	Handshake1
	Handshake2
	Cookie
	Data
	STUN
	Opener
)

// stunCookie stands at bytes 4 to 7 of every STUN message (RFC 8489, 5).
const stunCookie = 0x2112a442

// KindOf tells the kind of a datagram that came to the mesh port, first byte first.
func KindOf(b []byte) Kind {
	if len(b) < HeaderLen {
		return Junk
	}
	switch b[0] {
	case flagVNI:
		return kindOfIndex(Index(b))
	case 0x00, 0x01:
		size := int(binary.BigEndian.Uint16(b[2:]))
		if len(b) == 20+size && size%4 == 0 && binary.BigEndian.Uint32(b[4:]) == stunCookie {
			return STUN
		}
	}
	return Junk
}

func kindOfIndex(index uint32) Kind {
	switch {
	case index >= MinIndex:
		return Data
	case index == indexPlain:
		return Plain
	case index == indexHandshake1:
		return Handshake1
	case index == indexHandshake2:
		return Handshake2
	case index == indexCookie:
		return Cookie
	case index == indexOpener:
		return Opener
	}
	return Junk
}

// Index reads the index of a datagram of at least 8 bytes: its high 24 bits stand before the VNI,
// the low 8 behind it.
func Index(b []byte) uint32 {
	return binary.BigEndian.Uint32(b[:4])<<8 | uint32(b[7])
}

// PutHandshake writes the first 8 bytes of a handshake datagram, whose VNI is 0. It panics on any
// other kind.
func PutHandshake(b []byte, k Kind) {
	index := map[Kind]uint8{
		Handshake1: indexHandshake1, Handshake2: indexHandshake2, Cookie: indexCookie,
	}[k]
	if index == 0 {
		panic("wire: not a handshake")
	}
	binary.BigEndian.PutUint64(b, flagVNI<<56|uint64(index))
}

// AppendOpener appends a datagram that is to open the NATs on its first hops and to go no further: 16
// bytes, all zero but what makes it ours.
func AppendOpener(b []byte) []byte {
	b = append(b, make([]byte, HeaderLen)...)
	binary.BigEndian.PutUint64(b[len(b)-HeaderLen:], flagVNI<<56|indexOpener)
	return b
}

// The flags of a data datagram.
const (
	// FlagOffload says that the message begins with offload metadata, 10 bytes.
	FlagOffload = 1 << iota
	// FlagHeaders, on the last chunk only, says that it ends with a copy of how the message began:
	// its headers, and then one byte that says how long the copy is.
	FlagHeaders
)

// A Header is the first 16 bytes of a data datagram:
//
//	byte 0   1 2 3          4 5 6  7             8 .. 13   14               15
//	  0x08   index, high    VNI    index, low    counter   last 1, chunk 7  flags
//
// The counter counts the datagrams of a session in one direction. The chunks of a message have
// consecutive counters, so Counter-Chunk is the same in all of them and names the message.
type Header struct {
	Index   uint32 // of the receiver's session, at least MinIndex
	VNI     uint32 // 24 bits; 0 carries a control message
	Counter uint64 // 48 bits
	Chunk   uint8  // which chunk of its message this is, below MaxChunks
	Last    bool   // the message's last chunk
	Flags   uint8
}

// flagLast is the last chunk's mark in bytes 8 to 15 of a header.
const flagLast = 0x8000

// ParseHeader reads the header of a datagram of kind [Data].
func ParseHeader(b []byte) Header {
	_ = b[HeaderLen-1]
	tail := binary.BigEndian.Uint64(b[8:])
	return Header{
		Index: Index(b), VNI: binary.BigEndian.Uint32(b[3:]) & 0xffffff,
		Counter: tail >> 16, Chunk: uint8(tail>>8) & 0x7f, Last: tail&flagLast != 0, Flags: uint8(tail),
	}
}

// Put writes the header to the first [HeaderLen] bytes of b.
func (h Header) Put(b []byte) {
	_ = b[HeaderLen-1]
	binary.BigEndian.PutUint32(b, flagVNI<<24|h.Index>>8)
	binary.BigEndian.PutUint32(b[4:], h.VNI<<8|h.Index&0xff)
	tail := h.Counter<<16 | uint64(h.Chunk)<<8 | uint64(h.Flags)
	if h.Last {
		tail |= flagLast
	}
	binary.BigEndian.PutUint64(b[8:], tail)
}

// Run counts the datagrams at the beginning of b, of size bytes each, that are neighbouring chunks of one message:
// whose headers differ by nothing but what counts, and of which none is the last. It is 0 when the first
// is none such.
func Run(b []byte, size int) int {
	if size <= Overhead || KindOf(b) != Data {
		return 0
	}
	const step = 1<<16 | 1<<8 // the next counter, the next chunk
	head, tail, n := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), 0
	for ; len(b) >= size && tail&flagLast == 0; b = b[size:] {
		if binary.BigEndian.Uint64(b) != head || binary.BigEndian.Uint64(b[8:]) != tail {
			break
		}
		n++
		if tail += step; tail < step {
			break // counters do not start over
		}
	}
	return n
}

// Message names the message that the datagram is a chunk of.
func (h Header) Message() uint64 { return h.Counter - uint64(h.Chunk) }
