package wire

import (
	"encoding/binary"
	"net/netip"
)

// A Type says what a control message is: its first byte.
type Type uint8

// The types of control messages.
const (
	TypePing     Type = 1
	TypePong     Type = 2
	TypeClose    Type = 3
	TypeConflict Type = 4

	TypeRelay     Type = 5
	TypeRelayed   Type = 6
	TypeUnreached Type = 7

	// About members; package roster writes and reads them.
	TypeItems   Type = 8
	TypeSummary Type = 9
	TypeDigest  Type = 10
	TypeWant    Type = 11

	TypeCall   Type = 12
	TypeAnswer Type = 13

	// Between a node with an invitation and the one that gave it; package roster as well.
	TypeRedeem  Type = 16
	TypeGrant   Type = 17
	TypeRefusal Type = 18
)

// Lengths of control messages, in bytes.
const (
	PingLen     = 9 // and padding
	PongLen     = 35
	CloseLen    = 1
	ConflictLen = 19

	RelayLen     = 9 // before the datagram
	UnreachedLen = 10
	CallLen      = 11 // and the addresses
)

// RelayOverhead is how many bytes a relayed datagram has over the same one sent directly.
const RelayOverhead = Overhead + RelayLen

// least is how long a message of each type is at least.
var least = [...]int{
	TypePing: PingLen, TypePong: PongLen, TypeClose: CloseLen, TypeConflict: ConflictLen,
	TypeRelay: RelayLen + 1, TypeRelayed: RelayLen + 1, TypeUnreached: UnreachedLen,
	TypeCall: CallLen, TypeAnswer: CallLen,
	TypeItems: 1, TypeSummary: 1, TypeDigest: 1, TypeWant: 1,
	TypeRedeem: 1, TypeGrant: 1, TypeRefusal: 1,
}

// TypeOf tells the type of a control message, 0 when it is none or too short for its type.
func TypeOf(b []byte) Type {
	if len(b) == 0 || int(b[0]) >= len(least) || least[b[0]] == 0 || len(b) < least[b[0]] {
		return 0
	}
	return Type(b[0])
}

// A Ping asks for a [Pong] that brings its number back. Padding behind it makes it as long as a
// datagram whose way is to be tried (RFC 8899, 4.1).
//
//	byte 0   1 .. 8   9 ..
//	     1   number   zeros
type Ping struct{ Number uint64 }

// Append appends the ping, padded to size bytes when that is more than [PingLen].
func (p Ping) Append(b []byte, size int) []byte {
	b = append(b, byte(TypePing))
	b = binary.BigEndian.AppendUint64(b, p.Number)
	return append(b, make([]byte, max(0, size-PingLen))...)
}

// ParsePing reads a control message of [TypePing].
func ParsePing(b []byte) Ping { return Ping{Number: binary.BigEndian.Uint64(b[1:])} }

// A Pong answers a [Ping]. It goes back to where the ping came from.
//
//	byte 0   1 .. 8   9 .. 24   25 26   27 .. 34
//	     2   number   address   port    received
type Pong struct {
	Number   uint64
	Observed netip.AddrPort // where the ping came from; IPv4 as ::ffff:0:0/96
	Received uint64         // datagrams of this session that the answering side has taken
}

// Append appends the pong.
func (p Pong) Append(b []byte) []byte {
	b = append(b, byte(TypePong))
	b = binary.BigEndian.AppendUint64(b, p.Number)
	b = appendAddrPort(b, p.Observed)
	return binary.BigEndian.AppendUint64(b, p.Received)
}

// ParsePong reads a control message of [TypePong].
func ParsePong(b []byte) Pong {
	return Pong{
		Number: binary.BigEndian.Uint64(b[1:]), Observed: parseAddrPort(b[9:]),
		Received: binary.BigEndian.Uint64(b[27:]),
	}
}

// AppendClose appends the message that ends a session: its sender is about to leave.
//
//	byte 0
//	     3
func AppendClose(b []byte) []byte { return append(b, byte(TypeClose)) }

// A Conflict tells its receiver that another machine uses its key, and from where.
//
//	byte 0   1 .. 16   17 18
//	     4   address   port
type Conflict struct{ Other netip.AddrPort }

// Append appends the message.
func (c Conflict) Append(b []byte) []byte {
	return appendAddrPort(append(b, byte(TypeConflict)), c.Other)
}

// ParseConflict reads a control message of [TypeConflict].
func ParseConflict(b []byte) Conflict { return Conflict{Other: parseAddrPort(b[1:])} }

func appendAddrPort(b []byte, a netip.AddrPort) []byte {
	ip := a.Addr().As16()
	return binary.BigEndian.AppendUint16(append(b, ip[:]...), a.Port())
}

func parseAddrPort(b []byte) netip.AddrPort {
	ip := netip.AddrFrom16([16]byte(b)).Unmap()
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[16:]))
}
