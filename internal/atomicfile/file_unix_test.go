//go:build unix

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestFileIsForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, write := range []func(string, []byte) error{Create, Replace} {
		if err := write(path, nil); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o601, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path, 1); !errors.Is(err, ErrExposed) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}

// A stat is a file of another user, which only root could make.
type stat struct {
	fs.FileInfo
	uid uint32
}

func (s stat) Sys() any          { return &syscall.Stat_t{Uid: s.uid} }
func (s stat) Mode() fs.FileMode { return 0o600 }

func TestFileOfAnotherUser(t *testing.T) {
	us := uint32(os.Geteuid())
	if err := checkPrivate(stat{uid: us}); err != nil {
		t.Errorf("our own: %v", err)
	}
	if err := checkPrivate(stat{uid: us + 1}); !errors.Is(err, ErrOwner) {
		t.Errorf("another's: %v", err)
	}
}
