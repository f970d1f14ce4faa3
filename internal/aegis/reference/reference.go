// Package reference is AEGIS-256X (draft-irtf-cfrg-aegis-aead) in plain Go, as the draft writes it down. Tests compare
// with it. Nothing else may: it is slow, and how slow tells of keys.
package reference

import "encoding/binary"

type block [16]byte

// A machine is as many AEGIS-256 side by side as its degree says: V[j][i] of the draft is block j of the i-th.
type machine struct{ v [6][]block }

// The draft's constants, the first Fibonacci numbers modulo 256.
var (
	c0 = block{0x00, 0x01, 0x01, 0x02, 0x03, 0x05, 0x08, 0x0d, 0x15, 0x22, 0x37, 0x59, 0x90, 0xe9, 0x79, 0x62}
	c1 = block{0xdb, 0x3d, 0x18, 0x55, 0x6d, 0xc2, 0x2f, 0xf1, 0x20, 0x11, 0x31, 0x42, 0x73, 0xb5, 0x28, 0xdd}
)

// Seal is Encrypt with a tag of 128 bits, which is behind the ciphertext. Degree 1 is AEGIS-256, 2 AEGIS-256X2. Key and
// nonce have 32 bytes.
func Seal(degree int, key, nonce, header, text []byte) []byte {
	m := start(degree, [32]byte(key), [32]byte(nonce))
	rate := 16 * degree
	for _, b := range split(header, rate) {
		m.update(b)
	}
	var sealed []byte
	for _, b := range split(text, rate) {
		z := m.keystream()
		m.update(b)
		for i := range z {
			sealed = append(sealed, xor(z[i], b[i]).bytes()...)
		}
	}
	return append(sealed[:len(text)], m.tag(len(header), len(text))...)
}

// start is Init.
func start(degree int, key, nonce [32]byte) *machine {
	k0, k1 := block(key[:16]), block(key[16:])
	n0, n1 := block(nonce[:16]), block(nonce[16:])
	m := &machine{}
	for j, b := range []block{xor(k0, n0), xor(k1, n1), c1, c0, xor(k0, c0), xor(k1, c1)} {
		m.v[j] = repeat(b, degree)
	}
	for range 4 {
		for _, b := range []block{k0, k1, xor(k0, n0), xor(k1, n1)} {
			for i := range degree {
				context := block{byte(i), byte(degree - 1)}
				m.v[3][i], m.v[5][i] = xor(m.v[3][i], context), xor(m.v[5][i], context)
			}
			m.update(repeat(b, degree))
		}
	}
	return m
}

// update absorbs one block for each.
func (m *machine) update(absorbed []block) {
	for i, b := range absorbed {
		before := [6]block{}
		for j := range before {
			before[j] = m.v[j][i]
		}
		m.v[0][i] = round(before[5], xor(before[0], b))
		for j := 1; j < 6; j++ {
			m.v[j][i] = round(before[j-1], before[j])
		}
	}
}

// keystream is z of Enc.
func (m *machine) keystream() (z []block) {
	for i := range m.v[0] {
		var both block
		for k := range both {
			both[k] = m.v[2][i][k] & m.v[3][i][k]
		}
		z = append(z, xor(xor(m.v[1][i], m.v[4][i]), xor(m.v[5][i], both)))
	}
	return z
}

// tag is Finalize.
func (m *machine) tag(header, text int) []byte {
	var lengths, tag block
	binary.LittleEndian.PutUint64(lengths[:], 8*uint64(header))
	binary.LittleEndian.PutUint64(lengths[8:], 8*uint64(text))
	var t []block
	for _, b := range m.v[3] {
		t = append(t, xor(b, lengths))
	}
	for range 7 {
		m.update(t)
	}
	for j := range m.v {
		for _, b := range m.v[j] {
			tag = xor(tag, b)
		}
	}
	return tag[:]
}

// split makes groups of blocks of rate bytes, the last of which has zeros behind what there is.
func split(b []byte, rate int) (groups [][]block) {
	for len(b) > 0 {
		padded := make([]byte, rate)
		b = b[copy(padded, b):]
		var group []block
		for at := 0; at < rate; at += 16 {
			group = append(group, block(padded[at:]))
		}
		groups = append(groups, group)
	}
	return groups
}

func repeat(b block, n int) (out []block) {
	for range n {
		out = append(out, b)
	}
	return out
}

func xor(a, b block) block {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

func (b block) bytes() []byte { return b[:] }

// round is one of AES's (FIPS 197, 5.1): SubBytes, ShiftRows, MixColumns, AddRoundKey.
func round(in, key block) (out block) {
	for column := range 4 {
		var s [4]byte // a column after ShiftRows
		for row := range s {
			s[row] = sBox[in[4*((column+row)%4)+row]]
		}
		for row := range s {
			out[4*column+row] = double(s[row]) ^ double(s[(row+1)%4]) ^ s[(row+1)%4] ^ s[(row+2)%4] ^ s[(row+3)%4]
		}
	}
	return xor(out, key)
}

// double multiplies by x in AES's field (FIPS 197, 4.2.1).
func double(a byte) byte {
	if a&0x80 != 0 {
		return a<<1 ^ 0x1b
	}
	return a << 1
}

// sBox is AES's (FIPS 197, 5.1.1): the inverse, which is the power of 254, and an affine transformation.
var sBox = func() (box [256]byte) {
	for a := range box {
		inverse := byte(1)
		for range 254 {
			inverse = multiply(inverse, byte(a))
		}
		box[a] = 0x63
		for shift := range 5 {
			box[a] ^= inverse<<shift | inverse>>(8-shift)
		}
	}
	return box
}()

func multiply(a, b byte) (product byte) {
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			product ^= a
		}
		a = double(a)
	}
	return product
}
