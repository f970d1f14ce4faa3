package roster

import (
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRevocations(t *testing.T) {
	node, id := signKeyOf(memberKey).Node(), theAnchor.ID()
	for _, tt := range []struct {
		got  *Revocation
		want Revocation
		size int
	}{
		{Leaving(id, memberKey, objectsAt), Revocation{Kind: Leave, Signer: signKeyOf(memberKey)}, 134},
		{
			theAdmin.Remove(node, objectsAt),
			Revocation{Kind: Removal, Signer: theAdmin.SignKey(), Delegation: theAdmin.Delegation},
			198,
		},
		{RemoveByNetwork(networkKey, node, objectsAt), Revocation{Kind: NetworkRemoval}, 102},
	} {
		tt.want.Node, tt.want.At, tt.want.Raw = node, objectsAt, tt.got.Raw
		if diff := cmp.Diff(&tt.want, tt.got); diff != "" || len(tt.got.Raw) != tt.size {
			t.Errorf("kind %d, %d bytes: %s", tt.want.Kind, len(tt.got.Raw), diff)
		}
		if tt.got.Sum() != sha256.Sum256(tt.got.Raw) {
			t.Errorf("kind %d: its sum is another", tt.want.Kind)
		}
		borrowed := slices.Clone(tt.got.Raw)
		parsed := must(ParseRevocation(borrowed))
		clear(borrowed)
		if err := parsed.Verify(theAnchor); err != nil {
			t.Errorf("kind %d borrows what it was parsed from: %v", tt.want.Kind, err)
		}
	}
}

// TestRevocationTimes has clocks that are far off: a node must be able to leave all the same.
func TestRevocationTimes(t *testing.T) {
	for at, want := range map[int64]int64{-5: 0, 1 << 32: 1<<32 - 1, 7: 7} {
		if got := Leaving(theAnchor.ID(), memberKey, time.Unix(at, 0)).At.Unix(); got != want {
			t.Errorf("at %d: %d", at, got)
		}
	}
}

// TestRevocationsOfOthers has a member revoke another node, in each of the ways.
func TestRevocationsOfOthers(t *testing.T) {
	victim, id := NodeID{7}, theAnchor.ID()
	self := signKeyOf(memberKey)
	leave := append(revocationHead(Leave, victim, objectsAt), self[:]...)
	if _, err := ParseRevocation(sealed(memberKey, contextLeave, id, leave)); err == nil {
		t.Error("a node leaves for another")
	}
	removal := Authority{id, memberKey, Delegation{}}.Remove(victim, objectsAt)
	if err := removal.Verify(theAnchor); !errors.Is(err, ErrDelegation) {
		t.Errorf("a member removes another: %v", err)
	}
	for _, key := range [][]byte{memberKey, adminKey} {
		forged := sealed(key, contextNetworkRemoval, id, revocationHead(NetworkRemoval, victim, objectsAt))
		if err := checkRevocation(forged, theAnchor); !errors.Is(err, ErrSignature) {
			t.Errorf("somebody signs for the network: %v", err)
		}
	}
	for _, kind := range []RevocationKind{0, 4, 255} {
		b := sealed(networkKey, contextNetworkRemoval, id, revocationHead(kind, victim, objectsAt))
		if err := checkRevocation(b, theAnchor); err == nil {
			t.Errorf("kind %d is a revocation", kind)
		}
	}
}
