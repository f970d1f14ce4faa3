package session

import (
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

func TestChooseCipher(t *testing.T) {
	aes, chacha := []Cipher{AES256GCM}, []Cipher{ChaCha20Poly1305}
	for _, c := range []struct {
		a, b           []Cipher
		hardA, hardB   bool
		want           Cipher
		noCommonCipher bool
	}{
		{nil, nil, true, true, AES256GCM, false},
		{nil, nil, true, false, ChaCha20Poly1305, false},
		{nil, nil, false, true, ChaCha20Poly1305, false},
		{nil, nil, false, false, ChaCha20Poly1305, false},
		{aes, nil, false, false, AES256GCM, false},
		{nil, aes, false, false, AES256GCM, false},
		{chacha, nil, true, true, ChaCha20Poly1305, false},
		{nil, chacha, true, true, ChaCha20Poly1305, false},
		{[]Cipher{AES256GCM, ChaCha20Poly1305}, nil, true, true, AES256GCM, false},
		{aes, chacha, true, true, 0, true},
		{chacha, aes, false, false, 0, true},
		{[]Cipher{}, nil, true, true, 0, true},
	} {
		a, b := newPair(t, func(a, b *Options) {
			a.Ciphers, b.Ciphers, a.Hardware, b.Hardware = c.a, c.b, c.hardA, c.hardB
		})
		if c.noCommonCipher {
			r := b.Receive(0, a.addr, a.call())
			if r.Event != NoCommonCipher || r.Peer != b.peer || r.Reply != nil || r.New != nil ||
				r.Reason != drop.NoSession {
				t.Errorf("%v and %v: %+v", c.a, c.b, r)
			}
			continue
		}
		ta, tb := connect(t, 0, a, b)
		if ta.Cipher() != c.want || tb.Cipher() != c.want {
			t.Errorf("%v %v and %v %v: %v and %v, want %v",
				c.a, c.hardA, c.b, c.hardB, ta.Cipher(), tb.Cipher(), c.want)
		}
	}
}

func TestCipherNames(t *testing.T) {
	for c, want := range map[Cipher]string{
		AES256GCM: "aes-256-gcm", ChaCha20Poly1305: "chacha20-poly1305", 0: "unknown", 3: "unknown",
	} {
		if c.String() != want {
			t.Errorf("cipher %d is %s, want %s", c, c, want)
		}
	}
}

// One split key gives keys that differ by cipher and by handshake.
func TestDataKeysDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []Cipher{AES256GCM, ChaCha20Poly1305} {
		for _, binding := range []string{"one", "other"} {
			seen[string(c.dataKey([]byte("split"), []byte(binding)))] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d keys, want 4", len(seen))
	}
}
