package roster

import (
	"strings"
	"testing"
)

// TestLastingName has members of one name: what goes into their next certificates keeps them apart.
func TestLastingName(t *testing.T) {
	for _, name := range []string{"m", strings.Repeat("m", MaxName-5), strings.Repeat("m", MaxName)} {
		r := with(t, certify(theAdmin, memberKey, name, 0), certify(theAdmin, keyFrom(20), name, 60))
		older, younger := r.Member(idOf(memberKey)), r.Member(idOf(keyFrom(20)))
		if got := older.LastingName(); got != name || older.Name != name {
			t.Errorf("%q: the older has %q", name, got)
		}
		got := younger.LastingName()
		if got == name || ValidName(got) != nil || len(name)+5 <= MaxName && got != younger.Name {
			t.Errorf("%q: the younger has %q", name, got)
		}
	}
}
