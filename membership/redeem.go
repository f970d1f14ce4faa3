package membership

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// A stamp remembers until when invitations are good, by the file that it was read from.
type stamp struct {
	mu    sync.Mutex
	info  fs.FileInfo // nil: nothing is remembered
	until time.Time
}

// OpenInvitations reports whether somebody may come with an invitation at the time, be it only to ask
// again within a day for a certificate that was issued before, or to be told why there is none. It is cheap unless invitations have
// changed. Where they cannot be read there are none.
func (m *Member) OpenInvitations(now time.Time) bool {
	m.door.mu.Lock()
	defer m.door.mu.Unlock()
	info, err := os.Stat(m.path(fileInvitations))
	if err != nil {
		m.door.info = nil
		return false
	}
	if !sameFile(m.door.info, info) {
		all, err := m.loadInvitations()
		if err != nil {
			return false
		}
		m.door.info, m.door.until = info, time.Time{}
		for k := range all {
			if t := all[k].answers(); t.After(m.door.until) {
				m.door.until = t
			}
		}
	}
	return now.Before(m.door.until)
}

// sameFile tells whether a file is still the one that was looked at: every change makes a new one.
func sameFile(was, is fs.FileInfo) bool {
	return was != nil && os.SameFile(was, is) && was.ModTime().Equal(is.ModTime()) && was.Size() == is.Size()
}

// Redeem judges a redemption and issues the certificate. The caller has checked the proofs and the
// clock; session is the joiner's key in its handshake, and taken tells whether another member has a
// name. Who has redeemed before gets the same certificate again for a day, whatever has become of
// the invitation. An error is a [*roster.Refusal], to be told to the joiner.
//
// That an invitation is spent, for whom and for which certificate is on the disk, in one write,
// before anybody gets the certificate: so it is issued once, even if the machine stops in between.
// A node that becomes an admin needs its delegation as well: see [Member.Delegate].
func (m *Member) Redeem(
	now time.Time, r *roster.Redeem, session roster.SessionKey, taken func(name string) bool,
) (*roster.Certificate, error) {
	now = orNow(now)
	// Asked before anything is locked: it may wait for who waits for us.
	nameTaken := r.Name == m.Certificate().Name || taken != nil && taken(r.Name)
	var c *roster.Certificate
	err := m.changeInvitations(func(all []Invitation) (next []Invitation, err error) {
		k := slices.IndexFunc(all, func(i Invitation) bool { return i.ID == r.Invitation })
		if k < 0 {
			return nil, &roster.Refusal{Reason: roster.RefusedUnknown}
		}
		if c, err = all[k].again(now, r, session); c != nil || err != nil {
			return nil, err
		}
		if err := all[k].admits(now); err != nil {
			return nil, err
		}
		if nameTaken {
			return nil, &roster.Refusal{Reason: roster.RefusedName}
		}
		if c, err = m.issue(&all[k], now, r, session); err != nil {
			return nil, err
		}
		all[k].Spent = append(all[k].Spent, Spending{r.Sign, r.Name, now, c.Raw})
		return prune(all, now), nil
	})
	if err != nil {
		return nil, refusal(err)
	}
	return c, nil
}

// again gives the certificate to who has it already, by both its keys.
func (i *Invitation) again(
	now time.Time, r *roster.Redeem, session roster.SessionKey,
) (*roster.Certificate, error) {
	k := slices.IndexFunc(i.Spent, func(s Spending) bool { return s.Sign == r.Sign })
	if k < 0 {
		return nil, nil
	}
	used := &roster.Refusal{Reason: roster.RefusedUsed, Text: "this node has redeemed it before"}
	if now.Sub(i.Spent[k].At) > retry || i.Spent[k].Certificate == nil {
		return nil, used
	}
	c, err := roster.ParseCertificate(i.Spent[k].Certificate)
	if err != nil {
		return nil, err
	}
	if c.Session != session {
		return nil, used
	}
	return c, nil
}

// admits tells whether somebody new may use the invitation.
func (i *Invitation) admits(now time.Time) error {
	switch i.State(now) {
	case StateRevoked:
		return &roster.Refusal{Reason: roster.RefusedRevoked}
	case StateSpent:
		return &roster.Refusal{Reason: roster.RefusedUsed}
	case StateExpired:
		return &roster.Refusal{Reason: roster.RefusedExpired}
	}
	return nil
}

// issue makes the certificate of a new member.
func (m *Member) issue(
	i *Invitation, now time.Time, r *roster.Redeem, session roster.SessionKey,
) (*roster.Certificate, error) {
	authority, ok := m.Authority()
	if !ok {
		return nil, ErrNoAdmin
	}
	if i.Rights.Admin {
		if _, err := m.NetworkKey(); err != nil {
			return nil, err
		}
	}
	if r.Sign == signKey(m.id) || session == m.id.PublicKey() {
		return nil, &roster.Refusal{Reason: roster.RefusedMalformed, Text: "these are the inviter's own keys"}
	}
	return authority.Certify(roster.Certificate{
		Sign: r.Sign, Session: session, Name: r.Name, Rights: i.Rights,
		NotBefore: now, NotAfter: now.Add(roster.CertificateLife),
	})
}

// refusal is what the joiner is told of an error. Where the inviter keeps its files is none of its
// business.
func refusal(err error) *roster.Refusal {
	if r, ok := errors.AsType[*roster.Refusal](err); ok {
		return r
	}
	text := "its invitations cannot be changed on its disk"
	switch {
	case errors.Is(err, ErrNoAdmin):
		text = "it is no admin"
	case errors.Is(err, ErrNoNetworkKey):
		text = "it has not the network's key, which making an admin needs"
	case errors.Is(err, atomicfile.ErrLocked):
		text = "another process is changing its invitations"
	default:
		if reason, ok := errors.AsType[syscall.Errno](err); ok {
			text += ": " + reason.Error()
		}
	}
	return &roster.Refusal{Reason: roster.RefusedNotNow, Text: text}
}
