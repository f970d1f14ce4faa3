package stun

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	pion "github.com/pion/stun/v3"
)

// A message (RFC 8489, 5). The length is that of the attributes, which are padded to 4 bytes.
//
//	byte 0 1   2 3      4 .. 7         8 .. 19       20 ..
//	  type     length   21 12 a4 42    transaction   attributes
const (
	headerLen = 20
	cookie    = 0x2112a442
	maxLen    = 548 // what fits every IPv4 path (RFC 8489, 6.1)
)

// The types that matter here: Binding, which asks for an address.
const (
	typeRequest = 0x0001
	typeSuccess = 0x0101
	typeError   = 0x0111
)

// Lengths of the value of an address attribute, in bytes: family and port, then the address.
const (
	value4Len = 4 + 4
	value6Len = 4 + 16
)

// Is tells STUN from everything else that comes to the mesh port. Our own datagrams and VXLAN begin
// with 0x08, which has the two zero bits of STUN as well, and the cookie can be a VNI or an index.
// So it looks at byte 0 first, and the length must be right to the byte.
func Is(b []byte) bool {
	if len(b) < headerLen || len(b) > maxLen || b[0] > 1 {
		return false
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	return len(b) == headerLen+size && size%4 == 0 && binary.BigEndian.Uint32(b[4:]) == cookie
}

// IsRequest tells whether b is a question for an address: a Binding request. It is then for
// [Server.Answer]; any other STUN is for [Query.Take].
func IsRequest(b []byte) bool {
	return Is(b) && binary.BigEndian.Uint16(b) == typeRequest
}

// isAnswer tells whether b answers somebody's question for an address.
func isAnswer(b []byte) bool {
	if !Is(b) {
		return false
	}
	t := binary.BigEndian.Uint16(b)
	return t == typeSuccess || t == typeError
}

var errMalformed = errors.New("malformed stun message")

// decode takes a message apart into m. Whatever it says, a fingerprint in it must be right.
func decode(m *pion.Message, b []byte) error {
	if !Is(b) || pion.Decode(b, m) != nil {
		return errMalformed
	}
	if m.Contains(pion.AttrFingerprint) && pion.Fingerprint.Check(m) != nil {
		return errMalformed
	}
	return nil
}

// wellFormed tells whether an address attribute is as long as its family says. pion takes a short
// one for an address that ends in zeros.
//
//	byte 0   1              2 3    4 ..
//	     0   family, 1 2    port   address
func wellFormed(m *pion.Message, attr pion.AttrType) bool {
	v, err := m.Get(attr)
	if err != nil || len(v) < value4Len {
		return false
	}
	return v[1] == 1 && len(v) == value4Len || v[1] == 2 && len(v) == value6Len
}

// address reads an address attribute. The second result is false when there is none, or none that
// somebody could be sent to.
func address(m *pion.Message, attr pion.AttrType) (netip.AddrPort, bool) {
	if !wellFormed(m, attr) {
		return netip.AddrPort{}, false
	}
	if attr == pion.AttrXORMappedAddress {
		var a pion.XORMappedAddress
		err := a.GetFrom(m)
		return place(a.IP, a.Port, err)
	}
	var a pion.MappedAddress
	err := a.GetFromAs(m, attr)
	return place(a.IP, a.Port, err)
}

func place(ip net.IP, port int, err error) (netip.AddrPort, bool) {
	addr, _ := netip.AddrFromSlice(ip)
	a := netip.AddrPortFrom(addr.Unmap(), uint16(port))
	return a, err == nil && usable(a)
}

// usable tells whether a is one host's address and port.
func usable(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified() && !a.Addr().IsMulticast()
}

// plain is a as it is compared and keyed here: IPv4 as itself, not as ::ffff:0:0/96.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
