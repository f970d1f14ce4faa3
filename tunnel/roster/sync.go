package roster

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// maxReplies is how many messages one message is answered with at most. What is missing then comes
// when the two compare again.
const maxReplies = 160

// Summary is the message that tells others what this roster holds.
func (r *Roster) Summary() []byte { return r.summarise().Append(nil) }

// Agrees tells whether somebody holds what this roster holds.
func (r *Roster) Agrees(s Summary) bool { return s == *r.summarise() }

// summarise works the summary out, if something changed. It says nothing of what time it is: rosters
// agree even where clocks do not.
func (r *Roster) summarise() *Summary {
	if r.summary == nil {
		h := sha256.New()
		for _, n := range r.sorted() {
			leaf := n.leaf()
			h.Write(leaf[:])
		}
		for _, s := range r.newestSecret() {
			h.Write(s.Raw)
		}
		s := &Summary{Count: uint32(r.members), Head: r.Head(), Secret: r.SecretNumber()}
		h.Sum(s.Members[:0])
		r.summary = s
	}
	return r.summary
}

// newestSecret is the newest secret, or none.
func (r *Roster) newestSecret() []*Secret {
	all := r.secretsInForce()
	return all[:min(len(all), 1)]
}

// Receive takes in a message about members: items, a summary, a digest or a want, which begin with
// their wire type. It returns what to send back to whom it came from, what changed, and why items, or
// the message, were refused.
//
//	A                          B
//	   summary  ----------->      the same: no answer
//	            <-----------   digest of every range of ids; revocations, if these differ, and
//	                           secrets; a want of A's
//	   items,   ----------->      items are never answered
//	   want     ----------->
//	            <-----------   items
//
// Whom it came from must be a member: the answers are for members only.
func (r *Roster) Receive(now time.Time, message []byte) (
	replies [][]byte, changes []Change, refused []error,
) {
	r.tick(now)
	var out outbox
	err := errSize
	if len(message) <= MaxMessage {
		switch wire.TypeOf(message) {
		case wire.TypeItems:
			changes, refused, err = r.takeItems(now, message[1:])
		case wire.TypeSummary:
			err = r.answerSummary(&out, message)
		case wire.TypeDigest:
			err = r.answerDigest(&out, message)
		case wire.TypeWant:
			err = r.answerWant(&out, message)
		default:
			err = errMessage
		}
	}
	if err != nil {
		refused = append(refused, err)
	}
	return out.messages, changes, refused
}

// takeItems adds the items of a message.
func (r *Roster) takeItems(now time.Time, b []byte) (changes []Change, refused []error, err error) {
	items, err := ParseItems(b)
	if err != nil {
		return nil, nil, err
	}
	for _, it := range items {
		change, err := r.Add(now, it)
		if err != nil {
			refused = append(refused, err)
		}
		if change.Fresh {
			changes = append(changes, change)
		}
	}
	return changes, refused, nil
}

// answerSummary sends what brings two rosters together that hold different things. The most urgent
// comes first.
func (r *Roster) answerSummary(out *outbox, message []byte) error {
	theirs, ok := ParseSummary(message)
	if !ok {
		return errSummary
	}
	ours := *r.summarise()
	if theirs.Head != ours.Head {
		out.add((&want{kind: wantRevocations}).append(nil))
	}
	r.answerSecret(out, theirs, ours)
	if theirs.Head != ours.Head {
		r.sendRevocations(out)
	}
	if theirs.Members != ours.Members || theirs.Count != ours.Count {
		r.sendDigests(out)
	}
	return nil
}

// answerSecret sends the secrets to somebody whose newest is older, and asks for a newer one. With one
// number there may be two, which shows in the hash alone. Where our own counts only because
// there is no other, an older one may be better.
func (r *Roster) answerSecret(out *outbox, theirs, ours Summary) {
	newest := r.newestSecret()
	poor := len(newest) == 0 || r.void(newest[0].Issuer)
	if theirs.Secret > ours.Secret || theirs.Secret > 0 && theirs.Secret < ours.Secret && poor {
		out.add((&want{kind: wantSecrets}).append(nil))
	}
	switch {
	case theirs.Secret < ours.Secret:
		r.sendSecrets(out)
	case theirs.Secret == ours.Secret && theirs.Members != ours.Members && len(newest) > 0:
		out.items([]Item{newest[0].Item()})
	}
}

func (r *Roster) sendSecrets(out *outbox) {
	var items []Item
	for _, s := range r.secretsInForce() {
		items = append(items, s.Item())
	}
	out.items(items)
}

// sendRevocations sends all of them, and what proves that the spared are admins. Where that is more
// than is sent at a time, it goes on next time.
func (r *Roster) sendRevocations(out *outbox) {
	var items []Item
	for _, id := range r.spared() {
		items = append(items, r.admins[id])
	}
	for _, v := range r.Revocations() {
		items = append(items, v.Item())
	}
	if len(items) == 0 {
		return
	}
	r.cursor %= len(items)
	items = slices.Concat(items[r.cursor:], items[:r.cursor])
	r.cursor += out.items(items)
}

// sendDigests says what this roster holds of all nodes, a range of ids at a time.
func (r *Roster) sendDigests(out *outbox) {
	d, all := digest{}, r.sorted()
	for ; len(all) > maxEntries; all = all[maxEntries:] {
		d.to, d.entries = all[maxEntries-1].id, entries(all[:maxEntries])
		out.add(d.append(nil))
		d.from = next(d.to)
	}
	d.to, d.entries = lastID, entries(all)
	out.add(d.append(nil))
}

var lastID = NodeID(bytes.Repeat([]byte{0xff}, len(NodeID{})))

// next is the id behind another one, which is not the last.
func next(id NodeID) NodeID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

func entries(nodes []*node) (all []entry) {
	for _, n := range nodes {
		all = append(all, n.entry())
	}
	return all
}

// entry is what a digest says of a node.
func (n *node) entry() entry {
	leaf := n.leaf()
	e := entry{id: prefixOf(n.id), begins: uint32(n.certificates[0].NotBefore.Unix()), tag: [4]byte(leaf[:])}
	if n.record != nil {
		e.sequence = n.record.Sequence
	}
	return e
}

// answerDigest sends what the other one lacks, and asks for what is lacking here.
func (r *Roster) answerDigest(out *outbox, message []byte) error {
	d, err := parseDigest(message)
	if err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	theirs := make(map[prefix]entry, len(d.entries))
	for _, e := range d.entries {
		theirs[e.id] = e
	}
	var items []Item
	for _, n := range r.between(d.from, d.to) {
		their, known := theirs[prefixOf(n.id)]
		give, lack := n.compare(their, known)
		items = append(items, give...)
		if !lack {
			delete(theirs, prefixOf(n.id))
		}
	}
	w := want{kind: wantMembers}
	for _, e := range d.entries {
		if _, lack := theirs[e.id]; lack {
			w.ids = append(w.ids, e.id)
		}
	}
	if len(w.ids) > 0 {
		out.add(w.append(nil))
	}
	out.items(items)
	return nil
}

// compare tells what to give to somebody who holds that of a node, and whether we lack something.
func (n *node) compare(their entry, known bool) (give []Item, lack bool) {
	if !known {
		return n.items(), false
	}
	our := n.entry()
	if our.begins == their.begins && our.sequence == their.sequence {
		if our.tag == their.tag {
			return nil, false
		}
		return n.items(), true
	}
	if our.begins > their.begins {
		give = append(give, n.certificates[0].Item())
	}
	if our.sequence > their.sequence {
		give = append(give, n.record.Item())
	}
	return give, our.begins < their.begins || our.sequence < their.sequence
}

// items is what to tell of a node.
func (n *node) items() []Item {
	all := []Item{n.certificates[0].Item()}
	if n.record != nil {
		all = append(all, n.record.Item())
	}
	return all
}

// between are the nodes from one id to another, both included.
func (r *Roster) between(from, to NodeID) []*node {
	all := r.sorted()
	i, _ := slices.BinarySearchFunc(all, from, compareNode)
	j, found := slices.BinarySearchFunc(all, to, compareNode)
	if found {
		j++
	}
	return all[i:j]
}

func compareNode(n *node, id NodeID) int { return bytes.Compare(n.id[:], id[:]) }

// answerWant sends what somebody asks for.
func (r *Roster) answerWant(out *outbox, message []byte) error {
	w, err := parseWant(message)
	if err != nil {
		return fmt.Errorf("want: %w", err)
	}
	switch w.kind {
	case wantRevocations:
		r.sendRevocations(out)
	case wantSecrets:
		r.sendSecrets(out)
	default:
		var items []Item
		for _, p := range w.ids {
			from, to := NodeID{}, lastID
			copy(from[:], p[:])
			copy(to[:], p[:])
			for _, n := range r.between(from, to) {
				items = append(items, n.items()...)
			}
		}
		out.items(items)
	}
	return nil
}

// An outbox collects the answers to a message, up to [maxReplies].
type outbox struct{ messages [][]byte }

func (o *outbox) add(message []byte) {
	if len(o.messages) < maxReplies {
		o.messages = append(o.messages, message)
	}
}

// items adds items, in messages that are as full as can be, and tells how many there was room for.
func (o *outbox) items(items []Item) (sent int) {
	for _, m := range ItemMessages(items, MaxMessage) {
		if len(o.messages) == maxReplies {
			break
		}
		o.add(m)
		sent += countItems(m)
	}
	return sent
}

// countItems tells how many items a message of our own has.
func countItems(message []byte) int {
	items, _ := ParseItems(message[1:])
	return len(items)
}
