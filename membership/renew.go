package membership

import (
	"errors"
	"fmt"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// renewWithin is how long after its end a certificate is renewed without anybody's doing: a clock that
// says that more time went by is rather wrong.
const renewWithin = 365 * 24 * time.Hour

// Renew gives this node a new certificate when its own has expired, where the network's key is: nobody
// else may be able to. Where the whole network has run out of time because of that, it gives new ones to
// the members whose certificates have expired, too. It is for a start or a reload, which people see to:
// a node that runs does not tell a network that has ended from a clock that is wrong.
//
// built is when this program was; it cannot be earlier, nor before something in the roster was signed.
// Renew gives what it has signed, none when there was nothing to do.
func (m *Member) Renew(now, built time.Time) ([]roster.Item, error) {
	authority, admin := m.Authority()
	if !admin || !errors.Is(m.Certificate().ValidAt(now), roster.ErrExpired) {
		return nil, nil
	}
	if _, err := m.NetworkKey(); errors.Is(err, ErrNoNetworkKey) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	own := m.Certificate()
	r := roster.New(roster.Options{Anchor: m.Anchor(), Self: own.Node(), Built: built})
	kept, _ := m.Items() // what cannot be read others will tell
	r.Restore(now, append([]roster.Item{own.Item()}, kept...))
	own = newestOf(own, m.Anchor(), r, kept)
	ended := now.Sub(own.NotAfter)
	if r.Revoked(own.Node()) || ended < 0 || ended > renewWithin {
		return nil, nil
	}
	signed, err := renew(authority, r, own, now)
	if err != nil {
		return nil, fmt.Errorf("renew certificate: %w", err)
	}
	// This node's own comes last: with it on the disk nothing of this is done again.
	if err := m.SaveItems(r.Items()); err != nil {
		return nil, err
	}
	c, err := roster.ParseCertificate(signed[0].Raw)
	if err != nil {
		return nil, err
	}
	return signed, m.SetCertificate(c)
}

// newestOf is the newest certificate of a node that is among the items of its roster. Admins renew it
// while it runs, and that goes to the roster alone.
func newestOf(
	own *roster.Certificate, anchor roster.Anchor, r *roster.Roster, items []roster.Item,
) *roster.Certificate {
	for _, it := range items {
		if it.Kind != roster.ItemCertificate {
			continue
		}
		c, err := roster.ParseCertificate(it.Raw)
		if err == nil && c.Node() == own.Node() && c.Newer(own) && !r.Revoked(c.Issuer.Node()) &&
			c.Verify(anchor) == nil {
			own = c
		}
	}
	return own
}

// renew signs own anew, and after it what else has expired and made a member as long as the clock was
// not believed. All of it goes into the roster.
func renew(
	a roster.Authority, r *roster.Roster, own *roster.Certificate, now time.Time,
) (signed []roster.Item, err error) {
	add := func(c roster.Certificate) error {
		c.NotBefore = orNow(now)
		c.NotAfter = c.NotBefore.Add(roster.CertificateLife)
		next, err := a.Certify(c)
		if err != nil {
			return err
		}
		signed = append(signed, next.Item())
		_, err = r.Add(now, next.Item())
		return err
	}
	members := r.Members() // before own is good again, with which the clock is believed
	if err := add(*own); err != nil {
		return nil, err
	}
	if err := r.Clock(now); err != nil {
		return nil, err
	}
	for _, other := range members {
		next := *other.Certificate
		next.Name = other.LastingName()
		if other.ID == own.Node() || next.ValidAt(now) == nil {
			continue
		}
		if err := add(next); err != nil {
			return nil, err
		}
	}
	return signed, nil
}
