package roster

import (
	"errors"
	"fmt"
	"time"
)

var (
	errOtherNode    = errors.New("its certificate is another node's")
	errOtherSession = errors.New("its certificate has another session key")
	errOutdated     = errors.New("a newer certificate of it is not valid")
)

// Admit judges what a node shows in a handshake: its session key, its id and its certificate, which is
// added. The node is admitted when this certificate, or a newer one that is here, makes it a member
// with this session key. The error says why it is not.
func (r *Roster) Admit(
	now time.Time, session SessionKey, id NodeID, certificate []byte,
) (*Member, error) {
	c, err := ParseCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("admit node %s: %w", id, err)
	}
	if c.Node() != id {
		return nil, fmt.Errorf("admit node %s: %w", id, errOtherNode)
	}
	_, refused := r.Add(now, c.Item())
	m := r.Member(id)
	switch {
	case m == nil:
		return nil, fmt.Errorf("admit node %s: %w", id, r.absent(c, refused))
	case m.Certificate.Session != session:
		return nil, fmt.Errorf("admit node %s: %w", id, errOtherSession)
	}
	return m, nil
}

// absent says why a node is no member that has shown a certificate.
func (r *Roster) absent(c *Certificate, refused error) error {
	if r.Revoked(c.Node()) {
		return ErrRevoked
	}
	if refused != nil {
		return refused
	}
	if err := c.ValidAt(r.now); err != nil {
		return err
	}
	return errOutdated
}
