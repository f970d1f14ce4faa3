package membership

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// Why the network's key cannot be had.
var (
	// ErrNoNetworkKey is wrapped together with [fs.ErrNotExist].
	ErrNoNetworkKey = errors.New("the network's key is not on this machine: vxmesh key import brings it here")
	ErrOtherNetwork = errors.New("this is the key of another network")
	ErrPassphrase   = errors.New("the passphrase is wrong")
	ErrNotKeyFile   = errors.New("this is no file that vxmesh key export has made, or it is damaged")
)

const (
	// scryptWork is the binary logarithm of how much work a guess at the passphrase is. This much
	// takes about a second, and 256 MB of memory.
	scryptWork = 18
	// maxScryptWork is how much a file may ask of us.
	maxScryptWork = 20
)

// networkKeyText is the contents of the file, and of what is exported.
func networkKeyText(key ed25519.PrivateKey) []byte {
	return []byte(base64.StdEncoding.EncodeToString(key.Seed()) + "\n")
}

// parseNetworkKey reads what networkKeyText writes. Its error quotes nothing.
func parseNetworkKey(text []byte) (ed25519.PrivateKey, error) {
	seed, err := base64.StdEncoding.Strict().DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("it is not 32 bytes in base64")
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func (s store) loadNetworkKey() (ed25519.PrivateKey, error) {
	text, err := s.load(fileNetworkKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (%w)", ErrNoNetworkKey, err)
	}
	if err != nil {
		return nil, err
	}
	key, err := parseNetworkKey(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: it is broken (%w): import the key from its backup",
			s.path(fileNetworkKey), err)
	}
	return key, nil
}

// NetworkKey is the network's private key, if it is on this machine; else the error wraps
// [ErrNoNetworkKey].
func (m *Member) NetworkKey() (ed25519.PrivateKey, error) {
	key, err := m.loadNetworkKey()
	if err != nil {
		return nil, err
	}
	if err := m.checkNetworkKey(key); err != nil {
		return nil, fmt.Errorf("read %s: %w", m.path(fileNetworkKey), err)
	}
	return key, nil
}

func (m *Member) checkNetworkKey(key ed25519.PrivateKey) error {
	got := roster.Anchor{Key: publicKey(key)}
	if want := m.Anchor(); got != want {
		return fmt.Errorf("%w (%s), and this is %s", ErrOtherNetwork, got.ID(), want.ID())
	}
	return nil
}

// Delegate makes the node with the key an admin. It needs the network's key, and gives the same
// delegation each time.
func (m *Member) Delegate(admin roster.SignKey) (roster.Delegation, error) {
	key, err := m.NetworkKey()
	if err != nil {
		return roster.Delegation{}, err
	}
	return roster.Delegate(key, admin), nil
}

// ExportNetworkKey gives the network's key as an age file, armored, that the passphrase opens. Inside
// is what network.key holds. It takes about a second.
func (m *Member) ExportNetworkKey(passphrase string) ([]byte, error) {
	key, err := m.NetworkKey()
	if err != nil {
		return nil, err
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("export network key: %w", err)
	}
	recipient.SetWorkFactor(m.work)
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := age.Encrypt(text, recipient)
	if err == nil {
		_, err = w.Write(networkKeyText(key))
		err = errors.Join(err, w.Close(), text.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("export network key: %w", err)
	}
	return out.Bytes(), nil
}

// RemoveNetworkKey takes the network's key off this machine, as far as a file system lets go of what
// it held. It is no error when the key is not there.
func (m *Member) RemoveNetworkKey() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locked(func() error {
		err := os.Remove(m.path(fileNetworkKey))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = atomicfile.SyncDir(m.dir)
		}
		if err != nil {
			return fmt.Errorf("remove %s: %w", m.path(fileNetworkKey), atomicfile.Reason(err))
		}
		return nil
	})
}

// ImportNetworkKey brings the network's key to this machine, out of a file that [Member.ExportNetworkKey]
// made. A node that was no admin becomes one, with a certificate that says so. The error wraps
// [ErrPassphrase], [ErrNotKeyFile] or [ErrOtherNetwork], and then nothing has changed.
func (m *Member) ImportNetworkKey(file []byte, passphrase string) error {
	key, err := decryptNetworkKey(file, passphrase)
	if err == nil {
		err = m.checkNetworkKey(key)
	}
	if err != nil {
		return fmt.Errorf("import network key: %w", err)
	}
	return m.change(func(s *state) (bool, error) {
		if err := m.save(fileNetworkKey, networkKeyText(key)); err != nil {
			return false, err
		}
		if s.delegation != nil && s.certificate.Rights.Admin {
			return false, nil
		}
		return true, s.promote(key, m.SignKey(), orNow(m.now()))
	})
}

func decryptNetworkKey(file []byte, passphrase string) (ed25519.PrivateKey, error) {
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxScryptWork)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(file)), id)
	if none, ok := errors.AsType[*age.NoIdentityMatchError](err); ok &&
		len(none.StanzaTypes) == 1 && none.StanzaTypes[0] == "scrypt" {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNotKeyFile, err)
	}
	text, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNotKeyFile, err)
	}
	key, err := parseNetworkKey(text)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNotKeyFile, err)
	}
	return key, nil
}

// promote makes this node an admin, with a certificate of its own that takes the place of the other
// even where the clock went back.
func (s *state) promote(network, own ed25519.PrivateKey, now time.Time) (err error) {
	d := roster.Delegate(network, publicKey(own))
	s.delegation = &d
	authority, _ := s.authority(own)
	next := *s.certificate
	next.Rights.Admin = true
	if next.NotBefore = next.NotBefore.Add(time.Second); next.NotBefore.Before(now) {
		next.NotBefore = now
	}
	next.NotAfter = next.NotBefore.Add(roster.CertificateLife)
	s.certificate, err = authority.Certify(next)
	return err
}
