package capture

import (
	"encoding/binary"
	"strconv"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// Blocks and options of pcapng, draft-ietf-opsawg-pcapng. All numbers are little-endian here: the
// byte-order magic tells readers.
const (
	blockInterface = 1          // 4.2 Interface Description Block
	blockStats     = 5          // 4.6 Interface Statistics Block
	blockPacket    = 6          // 4.3 Enhanced Packet Block
	blockSection   = 0x0a0d0d0a // 4.1 Section Header Block

	byteOrderMagic = 0x1a2b3c4d
	packetHeader   = 28 // an Enhanced Packet Block up to the packet's bytes
)

// Options, whose numbers mean something else in each kind of block.
const (
	optEnd       = 0 // in all
	optComment   = 1 // in all
	optUserAppl  = 4 // section: the program that made the file
	optIfName    = 2 // interface
	optIfTsresol = 9 // interface: unit of timestamps
	optEpbFlags  = 2 // packet
	optIsbIfRecv = 4 // statistics: packets seen
	optIsbIfDrop = 5 // statistics: packets seen that are not in the file
)

// Values.
const (
	linkEthernet = 1   // LINKTYPE_ETHERNET
	linkRaw      = 101 // LINKTYPE_RAW: begins with an IPv4 or IPv6 header
	nanoseconds  = "\x09"
	flagInbound  = 1 // epb_flags, bits 0-1
	flagOutbound = 2
)

// maxWord is the length of a value in a comment, so that a block's length has a bound.
const maxWord = 255

var le = binary.LittleEndian

// appendHeader appends the section header and the descriptions of the interfaces.
func appendHeader(b []byte, faces []Interface, snaplen int) []byte {
	b, start := openBlock(b, blockSection)
	b = le.AppendUint32(b, byteOrderMagic)
	b = le.AppendUint16(b, 1)          // major version
	b = le.AppendUint16(b, 0)          // minor version
	b = le.AppendUint64(b, ^uint64(0)) // section length: not known
	b = appendOption(b, optUserAppl, "vxmesh")
	b = appendOption(b, optEnd, "")
	b = closeBlock(b, start)
	for _, f := range faces {
		link := uint16(linkEthernet)
		if f.Point == Outer {
			link = linkRaw
		}
		b, start = openBlock(b, blockInterface)
		b = le.AppendUint16(b, link)
		b = le.AppendUint16(b, 0) // reserved
		b = le.AppendUint32(b, uint32(snaplen))
		b = appendOption(b, optIfName, f.Name)
		b = appendOption(b, optIfTsresol, nanoseconds)
		b = appendOption(b, optEnd, "")
		b = closeBlock(b, start)
	}
	return b
}

// blockBound is at least the length of p's block.
func blockBound(p *Packet, snaplen int) int {
	const overhead = packetHeader + maxOuterHeader + 4 + // with the trailing length
		4 + len("vni=16777215 port= decision= drop= datagrams=65535") + 4*maxWord + // comment
		8 + 4 + 2*3 // flags, end of options, padding
	n := len(p.Data)
	if snaplen > 0 {
		n = min(n, snaplen)
	}
	return n + overhead
}

// appendPacket appends an Enhanced Packet Block of an interface. It does not grow a b that has room
// for [blockBound] more bytes.
func appendPacket(b []byte, p *Packet, face, snaplen int) []byte {
	b, start := openBlock(b, blockPacket)
	b = le.AppendUint32(b, uint32(face))
	b = appendTime(b, uint64(p.Time.UnixNano()))
	lengths := len(b)
	b = le.AppendUint64(b, 0) // known below

	head := len(b)
	if p.Point == Outer {
		b = appendOuterHeader(b, p)
	}
	original := len(b) - head + p.length()
	captured := len(b) - head + len(p.Data)
	if snaplen > 0 {
		captured = min(captured, snaplen)
	}
	b = append(b, p.Data[:max(0, captured-(len(b)-head))]...)
	b = b[:head+captured]
	le.PutUint32(b[lengths:], uint32(captured))
	le.PutUint32(b[lengths+4:], uint32(original))
	b = pad(b, captured)

	b = appendComment(b, p)
	flags := uint32(flagOutbound)
	if p.In {
		flags = flagInbound
	}
	b = le.AppendUint32(appendOptionHeader(b, optEpbFlags, 4), flags)
	b = appendOptionHeader(b, optEnd, 0)
	return closeBlock(b, start)
}

// appendComment appends an option with words that can be filtered for; none if there are none.
func appendComment(b []byte, p *Packet) []byte {
	start := len(b)
	b = appendOptionHeader(b, optComment, 0)
	text := len(b)
	if p.VNI != 0 {
		b = strconv.AppendUint(append(b, " vni="...), uint64(p.VNI), 10)
	}
	b = appendWord(b, " port=", p.Port)
	b = appendWord(b, " decision=", p.Decision)
	if p.Drop != drop.None {
		b = appendWord(b, " drop=", p.Drop.String())
	}
	if p.Count > 1 {
		b = strconv.AppendInt(append(b, " datagrams="...), int64(p.Count), 10)
	}
	b = appendWord(b, " ", p.Note)
	if len(b) == text {
		return b[:start]
	}
	b = append(b[:text], b[text+1:]...) // without the first space
	le.PutUint16(b[start+2:], uint16(len(b)-text))
	return pad(b, len(b)-text)
}

func appendWord(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return append(append(b, key...), value[:min(len(value), maxWord)]...)
}

// appendStats appends an Interface Statistics Block. Its time is that of the last packet, since
// which nothing has changed.
func appendStats(b []byte, face int, s stats) []byte {
	b, start := openBlock(b, blockStats)
	b = le.AppendUint32(b, uint32(face))
	b = appendTime(b, s.last)
	b = le.AppendUint64(appendOptionHeader(b, optIsbIfRecv, 8), s.received)
	b = le.AppendUint64(appendOptionHeader(b, optIsbIfDrop, 8), s.dropped)
	b = appendOptionHeader(b, optEnd, 0)
	return closeBlock(b, start)
}

// appendTime appends a timestamp, which is not one number of 64 bits but two halves, the upper
// one first.
func appendTime(b []byte, ns uint64) []byte {
	b = le.AppendUint32(b, uint32(ns>>32))
	return le.AppendUint32(b, uint32(ns))
}

// openBlock begins a block whose length closeBlock fills in.
func openBlock(b []byte, kind uint32) (block []byte, start int) {
	start = len(b)
	b = le.AppendUint32(b, kind)
	return le.AppendUint32(b, 0), start
}

// closeBlock writes the length of the block both behind its type and at its end, so that a file
// can be read backwards.
func closeBlock(b []byte, start int) []byte {
	n := uint32(len(b) - start + 4)
	le.PutUint32(b[start+4:], n)
	return le.AppendUint32(b, n)
}

func appendOption(b []byte, code uint16, value string) []byte {
	b = append(appendOptionHeader(b, code, len(value)), value...)
	return pad(b, len(value))
}

func appendOptionHeader(b []byte, code uint16, n int) []byte {
	return le.AppendUint16(le.AppendUint16(b, code), uint16(n))
}

// pad fills up to a multiple of four bytes what is n bytes long.
func pad(b []byte, n int) []byte { return append(b, 0, 0, 0)[:len(b)+(-n&3)] }
