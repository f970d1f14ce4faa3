package membership

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// The states of an invitation.
const (
	StateOpen    = "open"
	StateSpent   = "spent" // as often as it may be
	StateExpired = "expired"
	StateRevoked = "revoked"
)

const (
	// keepInvitations is how long one is listed after it is of no use any more.
	keepInvitations = 30 * 24 * time.Hour
	// maxInvitations is how many there are at most.
	maxInvitations = 256
	// retry is how long who has redeemed an invitation may ask for its certificate again: the answer
	// may be lost, or the joiner may crash.
	retry = 24 * time.Hour
)

// An Invitation is what the inviter keeps of one. It is not enough to join.
type Invitation struct {
	ID        roster.InvitationID
	Node      string // the name that was suggested; may be empty
	Rights    roster.Rights
	Created   time.Time
	Expires   time.Time
	Uses      int // how often it may be redeemed
	Spent     []Spending
	Revoked   bool
	RevokedAt time.Time
}

// A Spending is one redemption.
type Spending struct {
	Sign        roster.SignKey // of the joiner
	Name        string
	At          time.Time
	Certificate []byte // what was issued; nil a day later
}

// State is one of the states. An invitation that was revoked is so for ever, and one that is spent
// does not expire.
func (i Invitation) State(now time.Time) string {
	switch {
	case i.Revoked:
		return StateRevoked
	case len(i.Spent) >= i.Uses:
		return StateSpent
	case !now.Before(i.Expires):
		return StateExpired
	}
	return StateOpen
}

// ended is since when it has been of no use to anybody new.
func (i *Invitation) ended(now time.Time) time.Time {
	switch i.State(now) {
	case StateRevoked:
		return i.RevokedAt
	case StateSpent:
		return i.Spent[len(i.Spent)-1].At
	case StateExpired:
		return i.Expires
	}
	return now
}

// answers is until when somebody may come with it and be told something: somebody new, be it that he is
// too late, or who came before and asks again.
func (i *Invitation) answers() (until time.Time) {
	switch {
	case i.Revoked:
		until = i.RevokedAt.Add(retry)
	case len(i.Spent) < i.Uses:
		until = i.Expires.Add(retry)
	}
	for _, s := range i.Spent {
		if t := s.At.Add(retry); t.After(until) {
			until = t
		}
	}
	return until
}

// prune leaves out what nobody needs any more.
func prune(all []Invitation, now time.Time) []Invitation {
	all = slices.DeleteFunc(all, func(i Invitation) bool {
		return now.Sub(i.ended(now)) >= keepInvitations
	})
	for _, i := range all {
		for k := range i.Spent {
			if now.Sub(i.Spent[k].At) > retry {
				i.Spent[k].Certificate = nil
			}
		}
	}
	return all
}

// savedInvitations is the form of invitations.json.
type savedInvitations struct {
	header
	Invitations []savedInvitation `json:"invitations"`
}

type savedInvitation struct {
	ID      string          `json:"id"` // as people see its beginning: hexadecimal
	Node    string          `json:"node,omitempty"`
	Rights  savedRights     `json:"rights"`
	Created time.Time       `json:"created"`
	Expires time.Time       `json:"expires"`
	Uses    int             `json:"uses"`
	Revoked time.Time       `json:"revoked,omitzero"`
	Spent   []savedSpending `json:"spent,omitempty"`
}

type savedRights struct {
	Segments []uint32 `json:"segments,omitempty"`
	Bridge   bool     `json:"bridge,omitempty"`
	MACs     int      `json:"macs,omitempty"`
	Admin    bool     `json:"admin,omitempty"`
}

type savedSpending struct {
	Sign        key32     `json:"sign_key"`
	Name        string    `json:"name"`
	At          time.Time `json:"at"`
	Certificate []byte    `json:"certificate,omitempty"`
}

func (i *Invitation) saved() savedInvitation {
	v := savedInvitation{
		ID: i.ID.String(), Node: i.Node, Rights: savedRights(i.Rights),
		Created: i.Created, Expires: i.Expires, Uses: i.Uses, Revoked: i.RevokedAt,
	}
	for _, s := range i.Spent {
		v.Spent = append(v.Spent, savedSpending{key32(s.Sign), s.Name, s.At, s.Certificate})
	}
	return v
}

func (v *savedInvitation) invitation() (Invitation, error) {
	id, err := hex.DecodeString(v.ID)
	if err != nil || len(id) != len(roster.InvitationID{}) {
		return Invitation{}, errors.New("an id is not 64 hexadecimal digits")
	}
	i := Invitation{
		ID: roster.InvitationID(id), Node: v.Node, Rights: roster.Rights(v.Rights),
		Created: v.Created, Expires: v.Expires, Uses: v.Uses,
		Revoked: !v.Revoked.IsZero(), RevokedAt: v.Revoked,
	}
	if i.Uses < 1 {
		return Invitation{}, fmt.Errorf("invitation %s has no uses", i.ID.Short())
	}
	for _, s := range v.Spent {
		i.Spent = append(i.Spent, Spending{roster.SignKey(s.Sign), s.Name, s.At, s.Certificate})
	}
	return i, nil
}

// Invitations lists them, oldest first.
func (m *Member) Invitations() ([]Invitation, error) { return m.loadInvitations() }

// loadInvitations reads the file; without one there are none.
func (s store) loadInvitations() ([]Invitation, error) {
	const advice = "remove it and invite anew; members are not affected"
	var v savedInvitations
	var all []Invitation
	err := s.loadJSON(fileInvitations, advice, &v, func() error {
		for k := range v.Invitations {
			i, err := v.Invitations[k].invitation()
			if err != nil {
				return err
			}
			all = append(all, i)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return all, err
}

func (s store) saveInvitations(all []Invitation) error {
	v := savedInvitations{header: header{format}, Invitations: make([]savedInvitation, 0, len(all))}
	for k := range all {
		v.Invitations = append(v.Invitations, all[k].saved())
	}
	return s.saveJSON(fileInvitations, v)
}

// changeInvitations has f change what is on the disk, and writes what it gives; nil is not written.
func (m *Member) changeInvitations(f func([]Invitation) ([]Invitation, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locked(func() error {
		all, err := m.loadInvitations()
		if err != nil {
			return err
		}
		next, err := f(all)
		if err != nil || next == nil {
			return err
		}
		return m.saveInvitations(next)
	})
}
