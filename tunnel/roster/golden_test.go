package roster

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/vectors.txt")

const vectorsHead = `# One of each object, for other implementations. Keys are made from
# seeds of 32 equal bytes: 01 is the network's, 02 an admin's and 03 a member's. All is hexadecimal,
# but for the token.
`

// vectors are all objects, from fixed keys: Ed25519 signatures have no randomness in them.
func vectors() []byte {
	var b bytes.Buffer
	b.WriteString(vectorsHead)
	put := func(name string, v []byte) { fmt.Fprintf(&b, "%s %x\n", name, v) }
	id, admin, member := theAnchor.ID(), signKeyOf(adminKey), signKeyOf(memberKey)
	node := member.Node()
	put("network-key", theAnchor.Key[:])
	put("network-id", id[:])
	put("admin-key", admin[:])
	put("member-key", member[:])
	put("member-id", node[:])
	put("delegation", theAdmin.Delegation[:])
	for _, o := range signedObjects(networkKey, adminKey, memberKey) {
		put(strings.ReplaceAll(o.name, " ", "-"), o.raw)
	}
	token := theToken()
	door := DoorSecret(id, token.Inviter)
	fmt.Fprintf(&b, "token %s\n", must(token.Encode()))
	put("token-seed", token.Seed[:])
	put("door-secret", door[:])
	put("redeem", AppendRedeem(nil, token.Redeem([32]byte{3}, memberKey, SessionKey{4}, "laptop")))
	put("grant", AppendGrant(nil, theGrant()))
	put("refusal", AppendRefusal(nil, &Refusal{RefusedName, "ask Ann"}))
	return b.Bytes()
}

// TestVectors keeps the encodings and the contexts as they are: nodes of all versions must agree.
func TestVectors(t *testing.T) {
	path := filepath.Join("testdata", "vectors.txt")
	if *update {
		if err := os.WriteFile(path, vectors(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, kept := bufio.NewScanner(bytes.NewReader(vectors())), bufio.NewScanner(bytes.NewReader(want))
	for got.Scan() {
		if !kept.Scan() || got.Text() != kept.Text() {
			t.Errorf("got  %s\nkept %s", got.Text(), kept.Text())
		}
	}
	if kept.Scan() {
		t.Errorf("nothing makes %s", kept.Text())
	}
}

// TestVectorDelegation spells out what is signed, apart from the code that signs.
func TestVectorDelegation(t *testing.T) {
	admin := signKeyOf(adminKey)
	id := theAnchor.ID()
	want := "76786d657368312064656c65676174696f6e00" + id.String() + hex.EncodeToString(admin[:])
	if got := hex.EncodeToString(signed(contextDelegation, id, admin[:])); got != want {
		t.Errorf("signed is\n%s, want\n%s", got, want)
	}
}
