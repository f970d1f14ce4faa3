package session

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/flynn/noise"
	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A blob is bytes, in hex.
type blob []byte

func (b blob) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

func (b *blob) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// A vector is a handshake, with everything that another implementation needs to check itself.
type vector struct {
	Protocol string `json:"protocol"`
	Cipher   string `json:"cipher"`

	Network   blob `json:"network"`
	Secret    blob `json:"secret"`
	Initiator side `json:"initiator"`
	Responder side `json:"responder"`

	PSK      blob `json:"psk"`
	Prologue blob `json:"prologue"`

	Cookie      blob `json:"cookie"`
	CookieNonce blob `json:"cookie_nonce"`

	Payload1      blob `json:"payload_1"`
	Message1      blob `json:"message_1"`
	CookieMessage blob `json:"cookie_message"`
	WithMAC2      blob `json:"message_1_with_mac2"`
	Challenge     blob `json:"challenge_message"`
	Payload2      blob `json:"payload_2"`
	Message2      blob `json:"message_2"`

	ChannelBinding blob `json:"channel_binding"`
	SplitInitiator blob `json:"split_initiator_to_responder"`
	SplitResponder blob `json:"split_responder_to_initiator"`
	DataInitiator  blob `json:"data_key_initiator_to_responder"`
	DataResponder  blob `json:"data_key_responder_to_initiator"`

	Plaintext blob `json:"plaintext"`
	Datagram  blob `json:"datagram_initiator_to_responder"`
}

type side struct {
	Private   blob `json:"private"`
	Public    blob `json:"public"`
	Ephemeral blob `json:"ephemeral_private"`
	Index     blob `json:"index"`
	ID        blob `json:"id"`
	Epoch     int  `json:"epoch"`
	MAC1Key   blob `json:"mac1_key"`
	CookieKey blob `json:"cookie_key"`
}

// count is n bytes that count up.
func count(first byte, n int) blob {
	b := make(blob, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// inputs are what a vector is made from.
func inputs(c Cipher) vector {
	return vector{
		Protocol: "Noise_IKpsk2_25519_ChaChaPoly_SHA256", Cipher: c.String(),
		Network: count(0x10, 32), Secret: count(0x30, 32),
		Initiator: side{
			Private: count(0x50, 32), Ephemeral: count(0x70, 32), Index: blob{0xa1, 0xb2, 0xc3, 0xd4},
			ID: count(0x90, 32), Epoch: 7,
		},
		Responder: side{
			Private: count(0x58, 32), Ephemeral: count(0x78, 32), Index: blob{0x01, 0x02, 0x03, 0x04},
			ID: count(0x98, 32), Epoch: 9,
		},
		Cookie: count(0xc0, 16), CookieNonce: count(0xd0, 24), Plaintext: blob("an Ethernet frame"),
	}
}

func (v *vector) endpoint(s *side, c Cipher, rand ...blob) *Endpoint {
	o := Options{
		Key: PrivateKey(s.Private), ID: [32]byte(s.ID), Network: [32]byte(v.Network),
		Secrets: [][32]byte{[32]byte(v.Secret)}, Epoch: uint32(s.Epoch), Ciphers: []Cipher{c}, Hardware: true,
		Caps: CapCsum | CapTSO, Certificate: func() []byte { return []byte("certificate") },
		Head: func() []byte { return count(0xe0, 40) },
	}
	e := New(o)
	e.o.Rand = bytes.NewReader(bytes.Join(blobs(rand), nil))
	s.Public = bytes.Clone(e.public[:])
	s.MAC1Key = receiverKey(o.Secrets[0], e.public, "vxmesh1 mac1")
	s.CookieKey = receiverKey(o.Secrets[0], e.public, "vxmesh1 cookie")
	return e
}

func blobs(in []blob) (out [][]byte) {
	for _, b := range in {
		out = append(out, b)
	}
	return out
}

// compute fills in what follows from the inputs, by the code of this package.
func (v *vector) compute(t *testing.T, c Cipher) {
	i, r := &v.Initiator, &v.Responder
	a := &node{Endpoint: v.endpoint(i, c, i.Index, i.Ephemeral)}
	b := &node{Endpoint: v.endpoint(r, c, v.CookieNonce, v.CookieNonce, r.Index, r.Ephemeral)}
	a.peer, b.peer = addPeer(t, a.Endpoint, b.public), addPeer(t, b.Endpoint, a.public)
	v.PSK, v.Prologue = a.newest().psk, a.prologue

	v.Message1 = bytes.Clone(a.call())
	v.CookieMessage = b.demand(b.newest(), v.Message1, [16]byte(v.Cookie), 0)
	v.Challenge = b.demand(b.newest(), v.Message1, [16]byte(v.Cookie), flagChallenge)
	v.WithMAC2 = a.Receive(0, b.addr, v.CookieMessage).Reply
	rb := b.Receive(0, a.addr, v.WithMAC2)
	v.Message2 = rb.Reply
	ra := a.Receive(0, b.addr, rb.Reply)
	if ra.New == nil {
		t.Fatalf("message 2: %+v", ra)
	}
	v.Datagram = sealed(t, ra.New, string(v.Plaintext))
	out, reason := rb.New.Open(nil, v.Datagram)
	if reason != drop.None || !bytes.Equal(out, v.Plaintext) {
		t.Fatalf("the datagram: %v", reason)
	}
}

// check does the handshake again with the Noise library alone, and fills in the keys.
func (v *vector) check(t *testing.T, c Cipher) {
	state := func(s *side, peer blob) *noise.HandshakeState {
		hs, err := noise.NewHandshakeState(noise.Config{
			CipherSuite: suite, Random: bytes.NewReader(s.Ephemeral), Pattern: noise.HandshakeIK,
			Initiator: peer != nil, Prologue: v.Prologue, PresharedKey: v.PSK, PresharedKeyPlacement: 2,
			StaticKeypair: noise.DHKey{Private: s.Private, Public: s.Public}, PeerStatic: peer,
		})
		if err != nil {
			t.Fatal(err)
		}
		return hs
	}
	i, r := state(&v.Initiator, v.Responder.Public), state(&v.Responder, nil)
	var err error
	var c1, c2 *noise.CipherState
	if v.Payload1, _, _, err = r.ReadMessage(nil, v.Message1[16:512]); err != nil {
		t.Fatal(err)
	}
	if out, _, _, _ := i.WriteMessage(nil, v.Payload1); !bytes.Equal(out, v.Message1[16:512]) {
		t.Error("message 1 does not follow from its payload")
	}
	if v.Payload2, c1, c2, err = i.ReadMessage(nil, v.Message2[16:464]); err != nil {
		t.Fatal(err)
	}
	if out, _, _, _ := r.WriteMessage(nil, v.Payload2); !bytes.Equal(out, v.Message2[16:464]) {
		t.Error("message 2 does not follow from its payload")
	}
	k1, k2 := c1.UnsafeKey(), c2.UnsafeKey()
	v.ChannelBinding, v.SplitInitiator, v.SplitResponder = i.ChannelBinding(), k1[:], k2[:]
	v.DataInitiator = c.dataKey(k1[:], v.ChannelBinding)
	v.DataResponder = c.dataKey(k2[:], v.ChannelBinding)
	d := v.Datagram
	out, err := c.aead(v.DataInitiator).Open(nil, d[4:16], d[16:], d[:16])
	if err != nil || !bytes.Equal(out, v.Plaintext) {
		t.Errorf("the datagram opens as %q, %v", out, err)
	}
	if wire.ParseHeader(d).Index != r32(v.Responder.Index) {
		t.Error("the datagram is not for the responder")
	}
}

func r32(b blob) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// The files are for other implementations and for us: what is on the wire does not change by
// mistake. UPDATE_GOLDEN=1 writes them anew.
func TestGoldenVectors(t *testing.T) {
	for _, c := range ciphers {
		name := filepath.Join("testdata", c.String()+".json")
		got := inputs(c)
		got.compute(t, c)
		got.check(t, c)
		if os.Getenv("UPDATE_GOLDEN") != "" {
			text, err := json.MarshalIndent(got, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, append(text, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want vector
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
