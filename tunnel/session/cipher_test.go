package session

import (
	"errors"
	"testing"

	"golang.org/x/sys/cpu"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

func TestChooseCipher(t *testing.T) {
	aes, chacha, both := []Cipher{AES256GCM}, []Cipher{ChaCha20Poly1305}, []Cipher{AES256GCM, ChaCha20Poly1305}
	for _, c := range []struct {
		a, b           []Cipher
		hardA, hardB   bool
		want           Cipher
		noCommonCipher bool
	}{
		{both, nil, true, true, AES256GCM, false},
		{nil, nil, true, false, ChaCha20Poly1305, false},
		{nil, nil, false, true, ChaCha20Poly1305, false},
		{nil, nil, false, false, ChaCha20Poly1305, false},
		{aes, nil, false, false, AES256GCM, false},
		{nil, aes, false, false, AES256GCM, false},
		{chacha, nil, true, true, ChaCha20Poly1305, false},
		{nil, chacha, true, true, ChaCha20Poly1305, false},
		{nil, both, true, true, AES256GCM, false},
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

// TestChooseAEGIS: it is the first choice where both have it, and nobody's who has not.
func TestChooseAEGIS(t *testing.T) {
	defer func(here bool) { hasAEGIS = here }(hasAEGIS)
	aegis, aes := []Cipher{AEGIS256X2}, []Cipher{AES256GCM}
	offers := func(has, hard bool, ciphers []Cipher) uint8 {
		hasAEGIS = has
		return (&Options{Ciphers: ciphers, Hardware: hard}).offer()
	}
	for name, c := range map[string]struct {
		a, b uint8
		want Cipher
	}{
		"both":                      {offers(true, true, nil), offers(true, true, nil), AEGIS256X2},
		"nothing else":              {offers(true, true, aegis), offers(true, true, nil), AEGIS256X2},
		"one processor without":     {offers(true, true, nil), offers(false, true, nil), AES256GCM},
		"one processor without AES": {offers(true, true, nil), offers(true, false, nil), ChaCha20Poly1305},
		"one wants another":         {offers(true, true, nil), offers(true, true, aes), AES256GCM},
		"one can nothing else":      {offers(true, true, aegis), offers(true, true, aes), 0},
		"wanted where it is not":    {offers(false, true, aegis), offers(true, true, nil), 0},
	} {
		if got, back := choose(c.a, c.b), choose(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("%s: %v and %v, want %v", name, got, back, c.want)
		}
	}
	for _, has := range []bool{true, false} {
		hasAEGIS = has
		if AEGIS256X2.Supported() != has || !AES256GCM.Supported() || !ChaCha20Poly1305.Supported() {
			t.Errorf("AEGIS %v: what is supported is wrong", has)
		}
	}
}

func TestCipherNames(t *testing.T) {
	for c, want := range map[Cipher]string{
		AES256GCM: "aes-256-gcm", ChaCha20Poly1305: "chacha20-poly1305", AEGIS256X2: "aegis-256x2",
		0: "unknown", 3: "unknown",
	} {
		if c.String() != want {
			t.Errorf("cipher %d is %s, want %s", c, c, want)
		}
	}
}

// One split key gives keys that differ by cipher and by handshake.
func TestDataKeysDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []Cipher{AES256GCM, ChaCha20Poly1305, AEGIS256X2} {
		for _, binding := range []string{"one", "other"} {
			seen[string(c.dataKey([]byte("split"), []byte(binding)))] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d keys, want 6", len(seen))
	}
}

// Every single feature counts, whichever machine this is.
func TestHardwareAES(t *testing.T) {
	x86, arm := cpu.X86, cpu.ARM64
	defer func() { cpu.X86, cpu.ARM64 = x86, arm }()
	onX86 := []*bool{
		&cpu.X86.HasAES, &cpu.X86.HasPCLMULQDQ, &cpu.X86.HasSSE41, &cpu.X86.HasSSSE3,
	}
	onARM := []*bool{&cpu.ARM64.HasAES, &cpu.ARM64.HasPMULL}
	set := func(features []*bool, on bool) {
		for _, f := range features {
			*f = on
		}
	}
	for _, c := range [][2][]*bool{{onX86, onARM}, {onARM, onX86}} {
		set(c[0], true)
		set(c[1], false)
		if !HardwareAES() {
			t.Error("a machine with all that is needed")
		}
		for i, f := range c[0] {
			*f = false
			if HardwareAES() {
				t.Errorf("a machine without feature %d", i)
			}
			*f = true
		}
	}
	set(onX86, false)
	set(onARM, false)
	if HardwareAES() {
		t.Error("a machine without anything")
	}
}

// panicked gives what f panics with, nil when it does not.
func panicked(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

func TestMust(t *testing.T) {
	err := errors.New("refused")
	if panicked(func() { must(0, err) }) != err || must(7, nil) != 7 {
		t.Error("what was refused is used")
	}
}
