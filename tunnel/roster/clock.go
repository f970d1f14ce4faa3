package roster

import (
	"errors"
	"fmt"
	"time"
)

// ErrClock says that an item was refused because the time of day cannot be right.
var ErrClock = errors.New("the time of day cannot be right")

// Clock says why the time of day cannot be right; nil: it may be. While it cannot,
// certificates are not judged by the time, so that members stay members; but nobody new is taken in.
//
// It cannot be before this program was built, nor before something was signed that is here: what
// admins and the network's key signed tells the time, but leaves do not, which anybody can sign. Nor do
// dates behind the end of this node's own certificate: until then they cannot be, and after it the
// certificate tells. So no date, whoever signed it, stops the network for longer than that.
// And when this node's certificate has expired, and most others have, then it is more likely
// that the clock is wrong than that the network ran out of time.
func (r *Roster) Clock(now time.Time) error {
	r.tick(now)
	return r.clock()
}

// clock is Clock at the time it is.
func (r *Roster) clock() error {
	said := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case r.now.Before(r.o.Built):
		return fmt.Errorf("the clock says %s, but this program was built on %s", said(r.now), said(r.o.Built))
	case r.now.Before(r.newest.Add(-clockSlack)):
		return fmt.Errorf("the clock says %s, but something was signed on %s", said(r.now), said(r.newest))
	}
	if expired := r.expired(); 2*expired > r.members {
		return fmt.Errorf("the clock says %s, when %d of %d certificates have expired, this node's too",
			said(r.now), expired, r.members)
	}
	return nil
}

// expired counts whose newest certificate has expired, if this node's own has.
func (r *Roster) expired() (count int) {
	past := func(n *node) bool { return len(n.certificates) > 0 && !r.now.Before(n.certificates[0].NotAfter) }
	own := r.nodes[r.o.Self]
	if own == nil || !past(own) {
		return 0
	}
	for _, n := range r.nodes {
		if past(n) {
			count++
		}
	}
	return count
}

// noteTime notes that something was signed at a time, by somebody who would have to be revoked if
// that was wrong.
func (r *Roster) noteTime(t time.Time) {
	own := r.nodes[r.o.Self]
	if own != nil && len(own.certificates) > 0 && !t.Before(own.certificates[0].NotAfter) {
		return
	}
	if t.After(r.newest) {
		r.newest = t
	}
}

// redate finds the newest time anew, after somebody's word stopped to count.
func (r *Roster) redate() {
	r.newest = time.Time{}
	for _, n := range r.nodes {
		for _, c := range n.certificates {
			r.noteTime(c.NotBefore)
		}
	}
	for _, v := range r.revoked.all {
		if v.Kind == NetworkRemoval || v.Kind == Removal && !r.void(v.Signer) {
			r.noteTime(v.At)
		}
	}
}
