package roster

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxIssuers is of how many issuers the newest certificate of a node is kept. Usually there are one or
// two; that the others stay means that it does not matter in which order certificates and the
// revocations of their issuers come.
const maxIssuers = 4

// forgetAfter is how long after its last certificate expired a node is forgotten. It is long against
// what clocks differ by, so that rosters agree on who is.
const forgetAfter = 30 * 24 * time.Hour

// A node is what a roster holds of one node. One without a certificate, because their issuers were
// revoked, stays for its record: with a certificate by somebody else it goes on at once.
type node struct {
	id           NodeID
	key          SignKey
	certificates []*Certificate // newest first, one of each issuer, none of which is revoked
	record       *Record        // nil until heard

	sum    [32]byte // of the newest certificate and the record; see leaf
	summed bool
	member *Member // as it was shown last
}

// holds tells whether this very certificate is there already.
func (n *node) holds(c *Certificate) bool {
	return n != nil && slices.ContainsFunc(n.certificates, func(o *Certificate) bool {
		return bytes.Equal(o.Raw, c.Raw)
	})
}

// wants tells whether there is no newer certificate by the same issuer.
func (n *node) wants(c *Certificate) bool {
	return n == nil || !slices.ContainsFunc(n.certificates, func(o *Certificate) bool {
		return o.Issuer == c.Issuer && !c.Newer(o)
	})
}

// with gives the certificates with one more, which is wanted.
func (n *node) with(c *Certificate) []*Certificate {
	all := slices.DeleteFunc(slices.Clone(n.certificates), func(o *Certificate) bool {
		return o.Issuer == c.Issuer
	})
	all = append(all, c)
	slices.SortFunc(all, newestFirst)
	return slices.Clip(all[:min(len(all), maxIssuers)])
}

func newestFirst(a, b *Certificate) int { return compareBool(b.Newer(a), a.Newer(b)) }

// compareBool puts what is false first.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// leaf is the hash of what others should know of the node.
func (n *node) leaf() [32]byte {
	if !n.summed {
		h := sha256.New()
		h.Write(n.certificates[0].Raw)
		if n.record != nil {
			h.Write(n.record.Raw)
		}
		h.Sum(n.sum[:0])
		n.summed = true
	}
	return n.sum
}

func (r *Roster) addCertificate(raw []byte) (Change, error) {
	c, err := ParseCertificate(raw)
	if err != nil {
		return Change{}, err
	}
	id, issuer, it := c.Node(), c.Issuer.Node(), c.Item()
	n, proved := r.nodes[id], r.proved(issuer, it)
	switch { // without the cost of looking at signatures
	case r.revoked.final[issuer]:
		return Change{}, fmt.Errorf("certificate of %q: %w", c.Name, errIssuer)
	case r.revoked.final[id] && proved:
		return Change{}, fmt.Errorf("certificate of %q: %w", c.Name, ErrRevoked)
	case n.holds(c), !n.wants(c) && proved:
		return Change{}, nil
	}
	if err := c.Verify(r.o.Anchor); err != nil {
		return Change{}, err
	}
	turned := r.learn(issuer, it)
	kept, err := r.keepCertificate(id, c)
	if turned || kept {
		return Change{ItemCertificate, id, it, true}, nil
	}
	if err != nil {
		err = fmt.Errorf("certificate of %q: %w", c.Name, err)
	}
	return Change{}, err
}

// keepCertificate keeps a verified certificate if it is wanted, and reports whether.
func (r *Roster) keepCertificate(id NodeID, c *Certificate) (bool, error) {
	n := r.nodes[id]
	if err := r.mayKeep(id, c); err != nil {
		return false, err
	}
	if n == nil {
		n = &node{id: id, key: c.Sign}
		r.nodes[id] = n
	}
	if !n.wants(c) {
		return false, nil
	}
	r.certify(n, n.with(c))
	r.noteTime(c.NotBefore)
	r.forgetAt(n)
	return n.holds(c), nil
}

// mayKeep says why there is no place for a certificate. A node that is new must not come while the
// clock is wrong, because its certificate may have expired. While it can be right, none comes that begins
// in a distant future: somebody's clock was wrong, and nothing could take its place for as long.
func (r *Roster) mayKeep(id NodeID, c *Certificate) error {
	n := r.nodes[id]
	switch {
	case r.revoked.final[id]:
		return ErrRevoked
	case !r.restoring && r.clock() == nil && r.now.Add(CertificateLife).Before(c.NotBefore):
		return fmt.Errorf("%w: from %s on", ErrNotYet, c.NotBefore.Format(time.RFC3339))
	case n != nil && len(n.certificates) > 0:
		return nil
	case n == nil && id != r.o.Self && !r.restoring:
		if err := r.mayBeNew(c); err != nil {
			return err
		}
	}
	if r.members >= maxMembers {
		return fmt.Errorf("%w: there are %d members", ErrFull, r.members)
	}
	if len(r.nodes) >= 2*maxMembers { // a revoked admin made up very many
		r.sweep()
	}
	return nil
}

func (r *Roster) mayBeNew(c *Certificate) error {
	if err := r.clock(); err != nil {
		return fmt.Errorf("%w: %w", ErrClock, err)
	}
	if err := c.ValidAt(r.now); errors.Is(err, ErrNotYet) {
		return err
	}
	if !r.now.Before(c.NotAfter.Add(forgetAfter)) {
		return errLongAgo
	}
	return nil
}

// certify gives a node other certificates.
func (r *Roster) certify(n *node, all []*Certificate) {
	switch had, has := len(n.certificates) > 0, len(all) > 0; {
	case has && !had:
		r.members++
		r.order = nil
	case had && !has:
		r.members--
		r.order = nil
	}
	n.certificates, n.summed, n.member = all, false, nil
	if n.id == r.o.Self { // whose end bounds the dates of others
		r.redate()
	}
	r.touch()
}

// drop takes a node out of the roster.
func (r *Roster) drop(n *node) {
	r.certify(n, nil)
	delete(r.nodes, n.id)
}

// expel drops a node for good, with all that it issued.
func (r *Roster) expel(id NodeID) {
	if n := r.nodes[id]; n != nil {
		r.drop(n)
	}
	for _, n := range r.nodes {
		left := slices.DeleteFunc(slices.Clone(n.certificates), func(c *Certificate) bool {
			return c.Issuer.Node() == id
		})
		switch {
		case len(left) == len(n.certificates):
		case len(left) == 0 && n.record == nil:
			r.drop(n)
		default:
			r.certify(n, left)
		}
	}
	r.redate()
}

// sweep drops the nodes of which only a record is left.
func (r *Roster) sweep() {
	for id, n := range r.nodes {
		if len(n.certificates) == 0 {
			delete(r.nodes, id)
		}
	}
}

// forgetAt drops a node whose certificates all expired long ago, or notes when that will be so.
func (r *Roster) forgetAt(n *node) {
	var last time.Time
	for _, c := range n.certificates {
		if c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	last = last.Add(forgetAfter)
	switch {
	case !r.now.Before(last) && r.clock() == nil:
		r.drop(n)
	case r.forget.IsZero() || last.Before(r.forget):
		r.forget = last
	}
}

// addRecord takes a record of a node that has a certificate here, even one that does not count now.
// It shows the key to check the record with.
func (r *Roster) addRecord(raw []byte) (Change, error) {
	v, err := ParseRecord(raw)
	if err != nil {
		return Change{}, err
	}
	n := r.nodes[v.Node]
	switch {
	case r.revoked.final[v.Node]:
		return Change{}, fmt.Errorf("record: %w", ErrRevoked)
	case n == nil:
		return Change{}, fmt.Errorf("record: %w", ErrUnknown)
	case n.record != nil && !v.newer(n.record):
		return Change{}, nil
	case v.Loopback() && !r.o.AllowLoopback:
		return Change{}, fmt.Errorf("record: %w", errLoopback)
	}
	if err := v.Verify(r.o.Anchor.ID(), n.key); err != nil {
		return Change{}, err
	}
	n.record, n.summed = v, false
	r.touch()
	return Change{ItemRecord, v.Node, v.Item(), len(n.certificates) > 0}, nil
}

// newer tells whether the record takes the place of another one of its node. That two have one
// sequence is its node's fault; the larger bytes win, so that all agree even then.
func (r *Record) newer(than *Record) bool {
	if r.Sequence != than.Sequence {
		return r.Sequence > than.Sequence
	}
	return bytes.Compare(r.Raw, than.Raw) > 0
}

// sorted are the nodes with a certificate, by id.
func (r *Roster) sorted() []*node {
	if r.order == nil {
		r.order = make([]*node, 0, r.members)
		for _, n := range r.nodes {
			if len(n.certificates) > 0 {
				r.order = append(r.order, n)
			}
		}
		slices.SortFunc(r.order, func(a, b *node) int { return bytes.Compare(a.id[:], b.id[:]) })
	}
	return r.order
}
