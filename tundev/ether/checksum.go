package ether

import (
	"encoding/binary"
	"math/bits"
)

// Sum adds up b as big-endian 16-bit words in one's complement (RFC 1071, 1); an odd last byte is
// padded with zero. The result is folded but not inverted, so sums of parts that begin at even
// offsets can be joined with [AddSum].
//
// It adds eight little-endian bytes at a time and swaps once at the end, which RFC 1071, 2(B)
// allows: this is most of what leaving offloads to software costs.
func Sum(b []byte) uint16 {
	var acc, carry uint64
	for len(b) >= 64 {
		p := b[:64:64]
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[0:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[8:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[16:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[24:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[32:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[40:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[48:]), carry)
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(p[56:]), carry)
		acc, carry = bits.Add64(acc, 0, carry)
		b = b[64:]
	}
	acc += carry // 1 only when acc has just become 0
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.LittleEndian.Uint64(b), 0)
		acc += carry
		b = b[8:]
	}
	acc, carry = bits.Add64(acc, tail(b), 0)
	acc += carry
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return bits.ReverseBytes16(uint16(acc))
}

// tail gives up to seven bytes as a little-endian number.
func tail(b []byte) (v uint64) {
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	return v
}

// AddSum adds two folded sums in one's complement.
func AddSum(a, b uint16) uint16 {
	s := uint32(a) + uint32(b)
	return uint16(s + s>>16)
}

// UpdateSum gives the checksum field after one 16-bit word of its range changed from old to new
// (RFC 1624, 3, equation 3).
func UpdateSum(field, old, updated uint16) uint16 {
	return ^AddSum(AddSum(^field, ^old), updated)
}
