package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// known is an identity whose keys are the bytes 0..31 and, by RFC 7748, 6.1, Alice's.
const known = `# The identity of a vxmesh node. Whoever has it can act as the node: keep it secret.
ed25519_seed = AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
x25519_key = dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=
`

// The values were worked out with another program: openssl's pkey for the public keys, python's
// hashlib and hmac for the rest.
func TestKnownIdentity(t *testing.T) {
	i, err := parse([]byte(known))
	if err != nil {
		t.Fatal(err)
	}
	id, public := i.ID(), i.PublicKey()
	for what, pair := range map[string][2]string{
		"signed": {hashOf(i.SigningKey()), knownID},
		"id":     {hex.EncodeToString(id[:]), knownID},
		"public": {hex.EncodeToString(public[:]), knownPublic},
		"seed":   {hex.EncodeToString(i.Seed()), knownSeed},
		"port":   {fmt.Sprint(i.Port()), knownPort},
		"string": {i.String(), knownID[:16]},
		"text":   {string(i.text()), known},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %s, want %s", what, pair[0], pair[1])
		}
	}
}

func hashOf(key ed25519.PrivateKey) string {
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return hex.EncodeToString(sum[:])
}

// A key must not get into a log by way of a struct that is printed.
func TestPrintingShowsNoKey(t *testing.T) {
	i, err := parse([]byte(known))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%s"} {
		for _, text := range []string{fmt.Sprintf(format, i), fmt.Sprintf(format, &i)} {
			if text != knownID[:16] {
				t.Errorf("%s prints %s", format, text)
			}
		}
	}
}

func TestPortStaysInItsRange(t *testing.T) {
	var i Identity
	for _, tt := range []struct {
		id   uint64
		port uint16
	}{{0, 20000}, {39999, 59999}, {40000, 20000}, {1<<64 - 1, 20000 + (1<<64-1)%40000}} {
		for k := range 8 {
			i.id[k] = byte(tt.id >> (56 - 8*k))
		}
		if got := i.Port(); got != tt.port {
			t.Errorf("the port of %x is %d, want %d", i.id, got, tt.port)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	lines := strings.SplitAfter(known, "\n")
	seed, key := lines[1], lines[2]
	for what, text := range map[string]string{
		"x25519_key is missing":                           seed,
		"ed25519_seed is missing":                         key,
		"line 3: ed25519_seed is there twice":             seed + key + seed,
		"line 2: this is no NAME = VALUE":                 seed + "x25519_key\n",
		"line 1: neither ed25519_seed nor x25519_key":     "seed = 1\n" + seed + key,
		"line 1: ed25519_seed is not in base64":           strings.Replace(seed, "A", "!", 1) + key,
		"line 1: ed25519_seed has 31 bytes, not 32":       "ed25519_seed = " + base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"line 2: x25519_key is not in base64":             seed + key[:len(key)-3],
		"line 4: neither ed25519_seed nor x25519_key":     seed + key + "\n= x\n",
		"line 1: neither ed25519_seed nor x25519_key\x00": "\x00ed25519_seed = x",
	} {
		_, err := parse([]byte(text))
		if !errors.Is(err, ErrMalformed) || err.Error() != strings.TrimSuffix(what, "\x00") {
			t.Errorf("%q: %v, want %s", text, err, what)
		}
	}
}

// The file may have been through an editor.
func TestParseForgives(t *testing.T) {
	text := strings.ReplaceAll(known, "\n", " \r\n") + "\r\n# mine\n"
	if i, err := parse([]byte(text)); err != nil || i.String() != knownID[:16] {
		t.Errorf("%v, %v", i, err)
	}
	if _, err := parse([]byte(strings.TrimSuffix(known, "\n"))); err != nil {
		t.Errorf("without its last line's end: %v", err)
	}
}

// FuzzParse holds what is accepted to be written as it was read, and refusals to quote no secret.
func FuzzParse(f *testing.F) {
	f.Add([]byte(known))
	f.Add([]byte("ed25519_seed = x\nx25519_key = \n"))
	f.Add([]byte("# only this\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		i, err := parse(text)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || len(err.Error()) > 60 {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := parse(i.text())
		if err != nil || again != i || !bytes.Equal(again.Seed(), i.Seed()) {
			t.Errorf("%q became %q, %v", text, again.text(), err)
		}
	})
}

const (
	knownID     = "56475aa75463474c0285df5dbf2bcab73da651358839e9b77481b2eab107708c"
	knownPublic = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
	knownSeed   = "70099f4488462f38550e35bb8c4ec3eb70a3f15b3b3451e54170e890b5ccfbc7"
	knownPort   = "29804"
)
