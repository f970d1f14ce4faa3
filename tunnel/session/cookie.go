package session

import (
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// secretAge is how long cookies are made with one secret. They are good for that long again.
const secretAge = 120 * time.Second

// A jar makes cookies, which prove that who sends from an address also receives there, and keeps
// none of them: they are made again to be compared.
type jar struct {
	rand             io.Reader
	secret, previous [32]byte
	since            time.Duration
}

func newJar(rand io.Reader) jar {
	j := jar{rand: rand}
	fill(rand, j.secret[:])
	fill(rand, j.previous[:])
	return j
}

// turn renews the secret when it is time.
func (j *jar) turn(now time.Duration) {
	age := now - j.since
	if age < secretAge {
		return
	}
	j.previous = j.secret
	if age >= 2*secretAge {
		fill(j.rand, j.previous[:])
	}
	fill(j.rand, j.secret[:])
	j.since = now
}

// bake makes the cookie for an address and what else it is for.
func (j *jar) bake(now time.Duration, from netip.AddrPort, purpose []byte) [macLen]byte {
	j.turn(now)
	return bake(j.secret, from, purpose)
}

// check reports whether right accepts a cookie that this jar made not long ago.
func (j *jar) check(now time.Duration, from netip.AddrPort, purpose []byte,
	right func(cookie [macLen]byte) bool,
) bool {
	j.turn(now)
	return right(bake(j.secret, from, purpose)) ||
		right(bake(j.previous, from, purpose))
}

func bake(secret [32]byte, from netip.AddrPort, purpose []byte) [macLen]byte {
	ip := from.Addr().As16()
	port := binary.BigEndian.AppendUint16(nil, from.Port())
	return authenticate(secret[:], ip[:], port, purpose)
}

// provesAddress reports whether mac2 of a message 1 was made with a cookie for its source.
func (e *Endpoint) provesAddress(now time.Duration, from netip.AddrPort, b []byte) bool {
	return !zero(mac2(b)) && e.jar.check(now, from, nil, func(cookie [macLen]byte) bool {
		want := authenticate(cookie[:], beforeMAC2(b))
		return hmac.Equal(want[:], mac2(b))
	})
}

// answersChallenge reports whether the payload brings back the challenge of this peer.
func (e *Endpoint) answersChallenge(
	now time.Duration, from netip.AddrPort, p *Peer, h *payload,
) bool {
	return e.jar.check(now, from, p.purpose(), func(cookie [macLen]byte) bool {
		return hmac.Equal(cookie[:], h.challenge[:])
	})
}

// purpose makes a challenge good for one peer and only until the next message 1 is accepted: one
// that answered a challenge, recorded and sent again, answers no other.
func (p *Peer) purpose() []byte {
	return binary.BigEndian.AppendUint64(p.key[:], p.accepted)
}

// demand makes the cookie datagram that answers message 1 b.
func (e *Endpoint) demand(r *realm, b []byte, cookie [macLen]byte, flags byte) []byte {
	out := make([]byte, cookieSealedAt, CookieLen)
	wire.PutHandshake(out, wire.Cookie)
	binary.BigEndian.PutUint32(out[cookieReceiverAt:], sender(b))
	n := out[cookieNonceAt:cookieSealedAt]
	fill(e.o.Rand, n)
	return r.cookies.Seal(out, n, append(cookie[:], flags), mac1(b))
}

// openCookie reads a cookie datagram that answers message 1 with this mac1.
func openCookie(aead cipher.AEAD, b, mac1 []byte) (cookie [macLen]byte, flags byte, ok bool) {
	var buf [cookieTextLen]byte
	text, err := aead.Open(buf[:0], b[cookieNonceAt:cookieSealedAt], b[cookieSealedAt:], mac1)
	if err != nil || text[macLen]&^flagChallenge != 0 {
		return cookie, 0, false
	}
	return [macLen]byte(text), text[macLen], true
}

// cookieAEAD seals the cookies that the holder of the key gives.
func cookieAEAD(secret [32]byte, responder PublicKey) cipher.AEAD {
	return must(chacha20poly1305.NewX(receiverKey(secret, responder, "vxmesh1 cookie")))
}

// receiverKey is a key for what is sent to one node by whoever knows the network's secret.
func receiverKey(secret [32]byte, receiver PublicKey, info string) []byte {
	return derive(append(secret[:], receiver[:]...), nil, info)
}

// fill reads randomness.
func fill(r io.Reader, b []byte) {
	if _, err := io.ReadFull(r, b); err != nil {
		panic("session: no randomness: " + err.Error())
	}
}
