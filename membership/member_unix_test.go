//go:build unix

package membership

import (
	"io/fs"
	"os"
	"testing"

	"github.com/vxmesh/vxmesh/identity"
)

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	m := newNetwork(t)
	invite(t, m, InviteOptions{})
	for name, want := range map[string]fs.FileMode{
		"": 0o700, fileMembership: 0o600, fileMembers: 0o600, fileInvitations: 0o600, fileNetworkKey: 0o600,
		fileLock: 0o600,
	} {
		if info, err := os.Stat(m.path(name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	for name, read := range map[string]func() error{
		fileMembership:  func() error { _, err := Open(m.dir, m.id); return err },
		fileMembers:     func() error { _, err := m.Items(); return err },
		fileInvitations: func() error { _, err := m.Invitations(); return err },
		fileNetworkKey:  func() error { _, err := m.NetworkKey(); return err },
	} {
		if err := os.Chmod(m.path(name), 0o640); err != nil {
			t.Fatal(err)
		}
		wantError(t, name, read(), identity.ErrExposed, m.path(name))
	}
}
