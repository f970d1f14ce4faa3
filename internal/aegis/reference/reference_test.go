package reference_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/vxmesh/vxmesh/internal/aegis/reference"
)

// TestDraft seals the examples of the draft (its appendix), those of AEGIS-256, AEGIS-256X2 and AEGIS-256X4.
func TestDraft(t *testing.T) {
	text, err := os.ReadFile("testdata/draft.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Degree                           int
		Key, Nonce, Header, Text, Sealed string
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 9 {
		t.Errorf("only %d", len(vectors))
	}
	for i, v := range vectors {
		got := reference.Seal(v.Degree, unhex(t, v.Key), unhex(t, v.Nonce), unhex(t, v.Header), unhex(t, v.Text))
		if hex.EncodeToString(got) != v.Sealed {
			t.Errorf("%d: %x, want %s", i, got, v.Sealed)
		}
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
