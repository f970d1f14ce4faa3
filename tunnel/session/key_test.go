package session

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	k := NewPrivateKey()
	if k == NewPrivateKey() {
		t.Error("the same key twice")
	}
	public := k.Public()
	text, err := json.Marshal(public)
	if err != nil {
		t.Fatal(err)
	}
	var back PublicKey
	if err := json.Unmarshal(text, &back); err != nil || back != public {
		t.Errorf("%s reads as %v, %v", text, back, err)
	}
	for _, format := range []string{"%v", "%s", "%x", "%+v"} {
		if s := fmt.Sprintf(format, k); strings.Contains(s, fmt.Sprintf("%x", k[:4])) ||
			strings.Contains(s, fmt.Sprint(k[0], k[1])) {
			t.Errorf("%s prints a private key: %s", format, s)
		}
	}
}

// RFC 7748, 6.1.
func TestPublicKeyVector(t *testing.T) {
	k := PrivateKey{
		0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
		0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
	}
	if got := k.Public().String(); got != "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=" {
		t.Error(got)
	}
}

func TestParsePublicKeyRefuses(t *testing.T) {
	good := NewPrivateKey().Public().String()
	for _, s := range []string{
		"", "x", good[:40], good[:43], good + "AAAA", "!" + good[1:], good[:42] + "/=",
	} {
		if _, err := ParsePublicKey(s); err == nil {
			t.Errorf("%q is a key", s)
		}
	}
}
