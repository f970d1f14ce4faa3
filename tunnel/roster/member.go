package roster

import (
	"bytes"
	"encoding/hex"
	"slices"
	"time"
)

// A Member is a node that belongs to the network now, as far as this roster knows.
type Member struct {
	ID NodeID
	// Name is that of the certificate. Where two have one, the one whose certificate is older keeps
	// it, and the other has the first 4 digits of its id behind it: laptop-5f1c.
	Name        string
	Certificate *Certificate
	Record      *Record // nil until heard
	Admin       bool    // its certificate says so, or a delegation of it was seen
}

// A view is who the members are for as long as nothing changes, from a time until another one.
type view struct {
	members     []*Member // by id
	named       map[string]*Member
	sessions    map[SessionKey]*Member
	from, until time.Time // zero: ever since, for ever
}

// edge notes a time at which there may be other members.
func (v *view) edge(now, at time.Time) {
	switch {
	case !at.After(now):
		if at.After(v.from) {
			v.from = at
		}
	case v.until.IsZero() || at.Before(v.until):
		v.until = at
	}
}

func (v *view) covers(now time.Time) bool {
	return !now.Before(v.from) && (v.until.IsZero() || now.Before(v.until))
}

// look works out who the members are, if something changed.
func (r *Roster) look() *view {
	if r.view != nil && r.view.covers(r.now) {
		return r.view
	}
	v := &view{named: make(map[string]*Member), sessions: make(map[SessionKey]*Member)}
	v.edge(r.now, r.o.Built)
	v.edge(r.now, r.newest.Add(-clockSlack))
	judged := r.clock() == nil
	var live []*node
	var current []Member
	for _, n := range r.sorted() {
		for _, c := range n.certificates {
			v.edge(r.now, c.NotBefore.Add(-clockSlack))
			v.edge(r.now, c.NotAfter)
		}
		if c := r.inForce(n, judged); c != nil {
			live = append(live, n)
			_, admin := r.admins[n.id]
			current = append(current, Member{n.id, c.Name, c, n.record, admin || c.Rights.Admin})
		}
	}
	byAge := oldestFirst(current)
	rename(byAge)
	for i, n := range live {
		v.members = append(v.members, n.show(current[i]))
	}
	for _, m := range byAge {
		shown := r.nodes[m.ID].member
		v.named[m.Name] = shown
		if _, taken := v.sessions[m.Certificate.Session]; !taken {
			v.sessions[m.Certificate.Session] = shown
		}
	}
	r.view = v
	return v
}

// show gives the member as it was shown before, if it is the same still.
func (n *node) show(m Member) *Member {
	if n.member == nil || *n.member != m {
		n.member = &m
	}
	return n.member
}

// inForce is the certificate that makes a node a member, nil when it is none.
func (r *Roster) inForce(n *node, judged bool) *Certificate {
	if r.Revoked(n.id) {
		return nil
	}
	for _, c := range n.certificates {
		if !judged || c.ValidAt(r.now) == nil {
			return c
		}
	}
	return nil
}

// oldestFirst gives the members in the order of their certificates.
func oldestFirst(all []Member) []*Member {
	byAge := make([]*Member, len(all))
	for i := range all {
		byAge[i] = &all[i]
	}
	slices.SortFunc(byAge, func(a, b *Member) int { return newestFirst(b.Certificate, a.Certificate) })
	return byAge
}

// rename gives members whose name an older one has another: with as much of the id behind it as it
// takes to be nobody else's.
func rename(byAge []*Member) {
	taken := make(map[string]bool, len(byAge))
	var later []*Member
	for _, m := range byAge {
		if taken[m.Name] {
			later = append(later, m)
		}
		taken[m.Name] = true
	}
	for _, m := range later {
		id := hex.EncodeToString(m.ID[:])
		name := m.Name + "-" + id[:4]
		for digits := 5; taken[name] && digits <= len(id); digits++ {
			name = m.Name + "-" + id[:digits]
		}
		m.Name = name
		taken[name] = true
	}
}

// LastingName is the name for the member's next certificate: the one that it has now, whatever became of
// others that have the same in theirs.
func (m *Member) LastingName() string {
	if ValidName(m.Name) == nil {
		return m.Name
	}
	id := "-" + hex.EncodeToString(m.ID[:2])
	return m.Certificate.Name[:MaxName-len(id)] + id // the name was long before that was added
}

// Members lists who belongs to the network now, by id.
func (r *Roster) Members() []*Member { return slices.Clone(r.look().members) }

// Member gives a node that is a member, or nil.
func (r *Roster) Member(id NodeID) *Member {
	all := r.look().members
	i, ok := slices.BinarySearchFunc(all, id, func(m *Member, id NodeID) int {
		return bytes.Compare(m.ID[:], id[:])
	})
	if !ok {
		return nil
	}
	return all[i]
}

// Named gives the member with a name, see [Member], or nil.
func (r *Roster) Named(name string) *Member { return r.look().named[name] }

// WithSession gives the member with a session key, or nil; of two, the one whose certificate is older.
func (r *Roster) WithSession(key SessionKey) *Member { return r.look().sessions[key] }
