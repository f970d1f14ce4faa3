package roster

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// Revocations are what a roster holds of them. Each is kept, whatever its effect: that follows from
// all of them, whatever order they came in.
//
//   - A leave, and a removal by the network's key, are final.
//   - A removal by an admin has no effect once that admin's own is final, nor on an admin.
//
// An admin is a node for which the network's key signed a delegation that was seen in something the
// node issued, whatever that was; the flag in a certificate makes none.
type revocations struct {
	all      map[revocationKey]*Revocation
	final    map[NodeID]bool
	removals map[NodeID][]*Revocation // by admins
	leaves   int                      // of nodes that had no certificate here
	network  int                      // by the network's key
}

// A revocationKey tells revocations apart. Of one signer, the smallest that revokes a node in a way
// stays. A removal by an admin must not take the place of another admin's: it may be void some day.
type revocationKey struct {
	kind   RevocationKind
	node   NodeID
	signer SignKey
}

func (r *Roster) addRevocation(raw []byte) (Change, error) {
	v, err := ParseRevocation(raw)
	if err != nil {
		return Change{}, err
	}
	key := revocationKey{v.Kind, v.Node, v.Signer}
	old := r.revoked.all[key]
	if old != nil && bytes.Compare(old.Raw, v.Raw) <= 0 {
		return Change{}, nil
	}
	if err := v.Verify(r.o.Anchor); err != nil {
		return Change{}, err
	}
	turned := v.Kind == Removal && r.learn(v.Signer.Node(), v.Item())
	change := Change{ItemRevocation, v.Node, v.Item(), true}
	if old == nil {
		if err := r.roomFor(v); err != nil {
			if turned {
				return change, nil
			}
			return Change{}, fmt.Errorf("revocation of node %s: %w", v.Node, err)
		}
		r.countRevocation(v)
	}
	r.keepRevocation(key, old, v)
	return change, nil
}

// roomFor tells whether there is room for one more.
func (r *Roster) roomFor(v *Revocation) error {
	s, room := &r.revoked, maxRevocations
	if v.Kind != NetworkRemoval {
		room -= max(0, reserved-s.network)
	}
	stranger := v.Kind == Leave && r.nodes[v.Node] == nil
	if len(s.all) >= room || stranger && s.leaves >= maxStrangers {
		return fmt.Errorf("%w: there are %d revocations", ErrFull, len(s.all))
	}
	return nil
}

func (r *Roster) countRevocation(v *Revocation) {
	switch {
	case v.Kind == NetworkRemoval:
		r.revoked.network++
	case v.Kind == Leave && r.nodes[v.Node] == nil:
		r.revoked.leaves++
	}
}

// keepRevocation keeps a verified revocation in the place of an old one or of none.
func (r *Roster) keepRevocation(key revocationKey, old, v *Revocation) {
	s := &r.revoked
	s.all[key] = v
	if v.Kind == Removal {
		s.removals[v.Node] = append(slices.DeleteFunc(s.removals[v.Node], func(o *Revocation) bool {
			return o == old
		}), v)
	} else if !s.final[v.Node] {
		s.final[v.Node] = true
		r.expel(v.Node)
	}
	if old != nil {
		r.redate()
	} else if v.Kind == NetworkRemoval || v.Kind == Removal && !r.void(v.Signer) {
		r.noteTime(v.At)
	}
	r.head = nil
	r.touch()
}

// Revoked tells whether a node is out of the network.
func (r *Roster) Revoked(id NodeID) bool {
	if r.revoked.final[id] {
		return true
	}
	if _, admin := r.admins[id]; admin {
		return false
	}
	return slices.ContainsFunc(r.revoked.removals[id], func(v *Revocation) bool {
		return !r.void(v.Signer)
	})
}

// Revocations are all of them, those without effect too, in the order of their encoding.
func (r *Roster) Revocations() []*Revocation {
	return slices.SortedFunc(maps.Values(r.revoked.all), func(a, b *Revocation) int {
		return bytes.Compare(a.Raw, b.Raw)
	})
}

// Head stands for the revocations: two rosters with one head know of the same, and agree on who is
// revoked.
//
//	count 8   SHA-256 of what follows   SHA-256 of each revocation, ascending   ids of spared, ascending
//
// The spared are those whose removal is void because they are admins. Who has not seen that they are
// takes them for revoked, so that belongs to the head too. Usually there are none.
func (r *Roster) Head() [40]byte {
	if r.head == nil {
		sums := make([][32]byte, 0, len(r.revoked.all))
		for _, v := range r.revoked.all {
			sums = append(sums, v.Sum())
		}
		slices.SortFunc(sums, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
		h := sha256.New()
		for _, s := range sums {
			h.Write(s[:])
		}
		for _, id := range r.spared() {
			h.Write(id[:])
		}
		head := new([40]byte)
		binary.BigEndian.PutUint64(head[:], uint64(len(sums)))
		h.Sum(head[:8])
		r.head = head
	}
	return *r.head
}

// spared are the admins that other admins removed in vain, by id.
func (r *Roster) spared() (all []NodeID) {
	for id := range r.revoked.removals {
		if _, admin := r.admins[id]; admin && !r.revoked.final[id] {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, func(a, b NodeID) int { return bytes.Compare(a[:], b[:]) })
	return all
}

// proved tells whether an item would show nothing new about its issuer: it is known to be an admin,
// and the item that is kept as a proof is the smaller one.
func (r *Roster) proved(admin NodeID, it Item) bool {
	proof, seen := r.admins[admin]
	return seen && compareItems(proof, it) <= 0
}

// learn notes that a node is an admin, as a verified item shows that it issued. It reports whether that
// changes who is revoked, or the head.
func (r *Roster) learn(admin NodeID, proof Item) (turned bool) {
	if r.proved(admin, proof) || r.revoked.final[admin] {
		return false
	}
	_, seen := r.admins[admin]
	r.admins[admin] = proof
	if seen {
		return false
	}
	r.touch() // people see who is an admin
	if len(r.revoked.removals[admin]) == 0 {
		return false
	}
	r.head = nil
	return true
}

func compareItems(a, b Item) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.Raw, b.Raw))
}

// proofsBeside are items that prove who is an admin, where none of those in the lists does.
func (r *Roster) proofsBeside(lists ...[]Item) []Item {
	proved := make(map[NodeID]bool)
	for _, it := range slices.Concat(lists...) {
		if issuer, ok := issuerOf(it); ok {
			proved[issuer.Node()] = true
		}
	}
	var all []Item
	for id, proof := range r.admins {
		if !proved[id] && !r.revoked.final[id] {
			all = append(all, proof)
		}
	}
	slices.SortFunc(all, compareItems)
	return all
}

// issuerOf tells which admin issued an item, if one did.
func issuerOf(it Item) (SignKey, bool) {
	const behind = len(Delegation{}) + 64 // and a signature
	switch {
	case it.Kind == ItemRecord, it.Kind == ItemRevocation && RevocationKind(it.Raw[1]) != Removal:
		return SignKey{}, false
	}
	end := len(it.Raw) - behind
	return SignKey(it.Raw[end-len(SignKey{}) : end]), true
}
