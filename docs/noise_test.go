package docs_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/vxmesh/vxmesh/internal/aegis/reference"
)

// Another implementation of the handshake, written from docs/protocol.md and the Noise specification
// (revision 34) with the standard library, and with nothing of the program but AEGIS as the draft has it.

// must is for what fails only when the test itself is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func public(private []byte) []byte {
	return must(ecdh.X25519().NewPrivateKey(private)).PublicKey().Bytes()
}

func dh(private, public []byte) []byte {
	k := must(ecdh.X25519().NewPrivateKey(private))
	return must(k.ECDH(must(ecdh.X25519().NewPublicKey(public))))
}

func derive(secret, salt []byte, info string, n int) []byte {
	return must(hkdf.Key(sha256.New, secret, salt, info, n))
}

func mac(key, b []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(b)
	return h.Sum(nil)[:16]
}

// join puts parts one behind another.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// A transcript is a handshake's state (Noise, 5.2).
type transcript struct {
	ck, h []byte
	aead  cipher.AEAD
	out   []byte // the message that is being written
}

func (s *transcript) mixHash(b []byte) {
	sum := sha256.Sum256(join(s.h, b))
	s.h = sum[:]
}

func (s *transcript) mixKey(b []byte) {
	k := derive(b, s.ck, "", 64)
	s.ck, s.aead = k[:32], must(chacha20poly1305.New(k[32:]))
}

func (s *transcript) mixKeyAndHash(b []byte) {
	k := derive(b, s.ck, "", 96)
	s.ck, s.aead = k[:32], must(chacha20poly1305.New(k[64:]))
	s.mixHash(k[32:64])
}

// ephemeral writes the token e, which a pre-shared key makes part of the keys (Noise, 9.2).
func (s *transcript) ephemeral(private []byte) {
	e := public(private)
	s.out = append(s.out, e...)
	s.mixHash(e)
	s.mixKey(e)
}

// seal writes something encrypted. Each key of this handshake is used once, so its nonce is 0.
func (s *transcript) seal(b []byte) {
	sealed := s.aead.Seal(nil, make([]byte, 12), b, s.h)
	s.out = append(s.out, sealed...)
	s.mixHash(sealed)
}

// compute adds to the vector all that follows from the inputs in it.
func (v vector) compute() {
	for _, side := range []string{"initiator.", "responder."} {
		key := public(v[side+"private"])
		v[side+"public"] = key
		v[side+"mac1_key"] = derive(join(v["secret"], key), nil, "vxmesh1 mac1", 32)
		v[side+"cookie_key"] = derive(join(v["secret"], key), nil, "vxmesh1 cookie", 32)
	}
	v["psk"] = derive(v["secret"], nil, "vxmesh1 psk", 32)
	v["prologue"] = join([]byte("vxmesh1"), v["network"])

	name := sha256.Sum256(v["protocol"])
	s := &transcript{ck: name[:], h: name[:]}
	s.mixHash(v["prologue"])
	s.mixHash(v["responder.public"])
	v.message1(s)
	v.cookies()
	v.message2(s)

	v["channel_binding"] = s.h
	split := derive(nil, s.ck, "", 64)
	v["split_initiator_to_responder"], v["split_responder_to_initiator"] = split[:32], split[32:]
	for _, way := range []string{"initiator_to_responder", "responder_to_initiator"} {
		v["data_key_"+way] = derive(v["split_"+way], s.h, "vxmesh1 "+string(v["cipher"]), 32)
	}
	i := v["responder.index"]
	header := []byte{8, i[0], i[1], i[2], 0, 0, 7, i[3], 0, 0, 0, 0, 0, 0, 0x80, 0}
	v["datagram_initiator_to_responder"] = v.seal(header, v["plaintext"])
}

// message1 goes from the initiator to the responder: e, es, s, ss.
func (v vector) message1(s *transcript) {
	a, e, b := v["initiator.private"], v["initiator.ephemeral_private"], v["responder.public"]
	v["payload_1"] = v.payload("initiator.", 0x80|v.cipher(), 1)
	s.out = join([]byte{8, 0, 0, 0, 0, 0, 0, 1}, v["initiator.index"], make([]byte, 4))
	s.ephemeral(e)
	s.mixKey(dh(e, b))
	s.seal(v["initiator.public"])
	s.mixKey(dh(a, b))
	s.seal(v["payload_1"])
	v["message_1"] = join(s.out, mac(v["responder.mac1_key"], s.out), make([]byte, 16))
}

// cookies are what the responder may answer message 1 with, and what comes of one.
func (v vector) cookies() {
	m := v["message_1"]
	aead := must(chacha20poly1305.NewX(v["responder.cookie_key"]))
	cookie := func(flags byte) []byte {
		return join([]byte{8, 0, 0, 0, 0, 0, 0, 3}, v["initiator.index"], make([]byte, 4), v["cookie_nonce"],
			aead.Seal(nil, v["cookie_nonce"], join(v["cookie"], []byte{flags}), m[512:528]))
	}
	v["cookie_message"], v["challenge_message"] = cookie(0), cookie(1)
	v["message_1_with_mac2"] = join(m[:528], mac(v["cookie"], m[:528]))
}

// message2 goes back: e, ee, se, psk.
func (v vector) message2(s *transcript) {
	e := v["responder.ephemeral_private"]
	v["payload_2"] = v.payload("responder.", v.cipher(), 2)
	s.out = join([]byte{8, 0, 0, 0, 0, 0, 0, 2}, v["responder.index"], v["initiator.index"])
	s.ephemeral(e)
	s.mixKey(dh(e, public(v["initiator.ephemeral_private"])))
	s.mixKey(dh(e, v["initiator.public"]))
	s.mixKeyAndHash(v["psk"])
	s.seal(v["payload_2"])
	v["message_2"] = join(s.out, mac(v["initiator.mac1_key"], s.out), make([]byte, 16))
}

// payload is what a side says of itself. Certificate and head are those of all vectors.
func (v vector) payload(side string, cipher byte, counter uint32) []byte {
	b := make([]byte, 400)
	b[0], b[1], b[3] = 1, cipher, 3
	copy(b[4:], v[side+"epoch"])
	binary.BigEndian.PutUint32(b[8:], counter)
	copy(b[28:], v[side+"id"])
	for i := range 40 {
		b[60+i] = 0xe0 + byte(i)
	}
	b[101] = byte(copy(b[102:], "certificate"))
	return b
}

// cipher is the vector's cipher as a bit.
func (v vector) cipher() byte {
	return map[string]byte{"aes-256-gcm": 1, "chacha20-poly1305": 2, "aegis-256x2": 4}[string(v["cipher"])]
}

// seal makes a data datagram from the initiator to the responder.
func (v vector) seal(header, text []byte) []byte {
	key, nonce := v["data_key_initiator_to_responder"], header[4:]
	switch v.cipher() {
	case 1:
		return join(header, must(cipher.NewGCM(must(aes.NewCipher(key)))).Seal(nil, nonce, text, header))
	case 2:
		return join(header, must(chacha20poly1305.New(key)).Seal(nil, nonce, text, header))
	}
	return join(header, reference.Seal(2, key, join(nonce, make([]byte, 20)), header, text))
}
