// Package ether reads and changes Ethernet, VLAN and IP headers in place.
//
// A [Frame] is a view over bytes somebody else owns: its methods neither copy nor allocate, and
// it is as safe for concurrent use as the bytes below it. Nothing here does I/O, so devices, the
// switch and the tunnel share it.
package ether

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// HeaderLen is the length of an untagged Ethernet header (IEEE 802.3, 3.1.1); the shortest
// frame anything here accepts.
const HeaderLen = 14

// TagLen is the length of one VLAN tag (IEEE 802.1Q, 9.3).
const TagLen = 4

// EtherTypes this program looks at.
const (
	TypeIPv4 = 0x0800
	TypeARP  = 0x0806
	TypeVLAN = 0x8100 // 802.1Q customer tag
	TypeIPv6 = 0x86dd
	TypeQinQ = 0x88a8 // 802.1ad service tag
)

// A MAC is a 48-bit Ethernet address. The zero MAC means "none".
type MAC [6]byte

// Broadcast is the address every station listens to.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ParseMAC reads six hexadecimal octets separated by colons or dashes.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 17 {
		return m, fmt.Errorf("%q is not a MAC address like 52:54:00:1a:22:01", s)
	}
	for i := range m {
		if i > 0 && (s[3*i-1] != s[2] || (s[2] != ':' && s[2] != '-')) {
			return MAC{}, fmt.Errorf("%q is not a MAC address like 52:54:00:1a:22:01", s)
		}
		if _, err := hex.Decode(m[i:i+1], []byte(s[3*i:3*i+2])); err != nil {
			return MAC{}, fmt.Errorf("%q is not a MAC address like 52:54:00:1a:22:01", s)
		}
	}
	return m, nil
}

// String gives the lower-case colon form.
func (m MAC) String() string {
	b, _ := m.MarshalText()
	return string(b)
}

// MarshalText implements [encoding.TextMarshaler].
func (m MAC) MarshalText() ([]byte, error) {
	b := make([]byte, 0, 17)
	for i, o := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = hex.AppendEncode(b, []byte{o})
	}
	return b, nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *MAC) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMAC(string(text))
	return err
}

// IsMulticast reports whether the group bit is set; it is in the broadcast address too.
func (m MAC) IsMulticast() bool { return m[0]&1 != 0 }

// IsZero reports whether m is all zeros.
func (m MAC) IsZero() bool { return m == MAC{} }

// Uint64 packs the address into the low 48 bits, first octet highest.
func (m MAC) Uint64() uint64 {
	return uint64(binary.BigEndian.Uint16(m[0:]))<<32 | uint64(binary.BigEndian.Uint32(m[2:]))
}

// MACFromUint64 is the reverse of [MAC.Uint64]; the upper 16 bits are ignored.
func MACFromUint64(v uint64) (m MAC) {
	binary.BigEndian.PutUint16(m[0:], uint16(v>>32))
	binary.BigEndian.PutUint32(m[2:], uint32(v))
	return m
}

// A Frame is an Ethernet frame without its checksum, borrowed from whoever read it. All methods
// but [Frame.Valid] need at least [HeaderLen] bytes.
type Frame []byte

// Valid reports whether the frame is long enough for an Ethernet header.
func (f Frame) Valid() bool { return len(f) >= HeaderLen }

// Dst is the destination address.
func (f Frame) Dst() MAC { return MAC(f[0:6]) }

// Src is the source address.
func (f Frame) Src() MAC { return MAC(f[6:12]) }

// VLAN is the VLAN identifier of the outermost tag, 0 when the frame is untagged or only
// priority-tagged (IEEE 802.1Q, 9.6).
func (f Frame) VLAN() uint16 {
	if t := binary.BigEndian.Uint16(f[12:]); (t != TypeVLAN && t != TypeQinQ) || len(f) < HeaderLen+TagLen {
		return 0
	}
	return binary.BigEndian.Uint16(f[14:]) & 0x0fff
}

// Payload skips up to two VLAN tags and gives the EtherType behind them and the offset at which
// its payload begins. A tag that is cut short is reported as the EtherType itself.
func (f Frame) Payload() (etherType uint16, offset int) {
	etherType, offset = binary.BigEndian.Uint16(f[12:]), HeaderLen
	for range 2 {
		if (etherType != TypeVLAN && etherType != TypeQinQ) || len(f) < offset+TagLen {
			break
		}
		etherType = binary.BigEndian.Uint16(f[offset+2:])
		offset += TagLen
	}
	return etherType, offset
}
