package membership

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// Exists reports whether the state directory has a membership: a whole one, or one that was whole
// and is broken now, which nobody should write over.
func Exists(dir string) bool { return newStore(dir).exists(fileMembership) }

// A Member is a node's membership of a network. It knows what it read or wrote last; what another
// process changes since is seen with the next change. Anybody may call its methods.
type Member struct {
	store
	id    identity.Identity
	state atomic.Pointer[state]

	mu   sync.Mutex // one change at a time: the others of this process wait here, not for the lock
	door stamp
	work int              // see [Member.ExportNetworkKey]
	now  func() time.Time // the system's, but in tests
}

// Open reads the membership in a state directory, for the node with the identity. The error wraps
// [fs.ErrNotExist] when there is none, and [ErrOtherIdentity] when it is that of another node.
func Open(dir string, id identity.Identity) (*Member, error) {
	return newStore(dir).open(id)
}

func (s store) open(id identity.Identity) (*Member, error) {
	st, err := s.loadState(id)
	if err != nil {
		return nil, err
	}
	m := &Member{store: s, id: id, work: scryptWork, now: time.Now}
	m.state.Store(st)
	return m, nil
}

// Format keeps keys and secrets out of logs.
func (m *Member) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "membership of "+m.Name()+" in "+m.dir)
}

// Anchor is the public key of the network.
func (m *Member) Anchor() roster.Anchor { return m.state.Load().anchor }

// Name is the name of the network. That of the node is in its certificate.
func (m *Member) Name() string { return m.state.Load().name }

// Certificate is this node's own, which nobody may change.
func (m *Member) Certificate() *roster.Certificate { return m.state.Load().certificate }

// Secret is the network secret with the highest number that this node was given.
func (m *Member) Secret() (number uint64, secret [32]byte) {
	s := m.state.Load()
	return s.number, s.secret
}

// Seeds lists where the network was reached first.
func (m *Member) Seeds() []Seed { return slices.Clone(m.state.Load().seeds) }

// SignKey is the node's own signing key.
func (m *Member) SignKey() ed25519.PrivateKey { return m.id.SigningKey() }

// Authority is the node's power to issue, if it is an admin.
func (m *Member) Authority() (roster.Authority, bool) { return m.state.Load().authority(m.SignKey()) }

func (s *state) authority(key ed25519.PrivateKey) (roster.Authority, bool) {
	if s.delegation == nil {
		return roster.Authority{}, false
	}
	return roster.Authority{Network: s.anchor.ID(), Key: key, Delegation: *s.delegation}, true
}

// SetCertificate keeps a certificate of this node, unless the one that is kept is newer.
func (m *Member) SetCertificate(c *roster.Certificate) error {
	if err := c.Verify(m.Anchor()); err != nil {
		return err
	}
	if err := checkOwner(c, m.id); err != nil {
		return err
	}
	return m.change(func(s *state) (bool, error) {
		newer := c.Newer(s.certificate)
		if newer {
			s.certificate = c
		}
		return newer, nil
	})
}

// SetSecret keeps a network secret, unless the one that is kept has a higher number.
func (m *Member) SetSecret(number uint64, secret [32]byte) error {
	if number < 1 || number > roster.MaxSecretNumber {
		return fmt.Errorf("network secret number %d is out of range", number)
	}
	return m.change(func(s *state) (bool, error) {
		if number < s.number || number == s.number && secret == s.secret {
			return false, nil
		}
		s.number, s.secret = number, secret
		return true, nil
	})
}

// Reload reads again what is on the disk, which another process may have changed.
func (m *Member) Reload() error { return m.change(func(*state) (bool, error) { return false, nil }) }

// change has f change a copy of what is on the disk, and reports whether to write it.
func (m *Member) change(f func(*state) (bool, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locked(func() error {
		s, err := m.loadState(m.id)
		if err != nil {
			return err
		}
		changed, err := f(s)
		if err != nil {
			return err
		}
		if changed {
			if err := m.saveJSON(fileMembership, s.saved()); err != nil {
				return err
			}
		}
		m.state.Store(s)
		return nil
	})
}

// orNow is a time that a caller may leave out, in the whole seconds that certificates have.
func orNow(t time.Time) time.Time {
	if t.IsZero() {
		t = time.Now()
	}
	return t.UTC().Truncate(time.Second)
}
