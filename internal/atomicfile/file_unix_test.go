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
	if err := checkPrivate(stat{uid: us}, t.TempDir()); err != nil {
		t.Errorf("our own: %v", err)
	}
	if err := checkPrivate(stat{uid: us + 1}, t.TempDir()); !errors.Is(err, ErrOwner) {
		t.Errorf("another's: %v", err)
	}
}

// What root does in the directory of a service is done for the service, which is no root.
func TestRootWritesForTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can write for others")
		return
	}
	const uid, gid = 12345, 23456
	dir := t.TempDir()
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(dir, "a", "b")
	lock, err := Lock(filepath.Join(dir, "lock"), 0)
	err = errors.Join(err, MakeDir(below), ReplaceAsOwner(filepath.Join(below, "r"), nil),
		CreateAsOwner(filepath.Join(below, "c"), nil), Replace(filepath.Join(dir, "ours"), nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = lock.Close()
	for name, want := range map[string]uint32{"a": uid, "a/b": uid, "a/b/r": uid, "a/b/c": uid, "lock": uid, "ours": 0} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != want || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s belongs to %d with mode %v, want %d", name, st.Uid, info.Mode(), want)
		}
		if info.Mode().IsRegular() {
			if _, err := Read(filepath.Join(dir, name), 1); err != nil {
				t.Errorf("root reads %s: %v", name, err)
			}
		}
	}
	if err := checkPrivate(stat{uid: uid + 1}, dir); !errors.Is(err, ErrOwner) {
		t.Errorf("a file of neither: %v", err)
	}
}

// The owner of the directory cannot have root open or give away what lies elsewhere.
func TestLockFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if f, err := Lock(filepath.Join(dir, "lock"), 0); err == nil {
		_ = f.Close()
		t.Error("a link was followed")
	}
	wantFiles(t, dir, "lock")
}

func TestMakeDir(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := MakeDir(filepath.Join(dir, "a", "b")); err != nil {
			t.Fatal(err)
		}
	}
	if err := Create(filepath.Join(dir, "file"), nil); err != nil {
		t.Fatal(err)
	}
	if MakeDir(filepath.Join(dir, "file")) == nil || MakeDir(filepath.Join(dir, "file", "c")) == nil {
		t.Error("a directory where there is a file")
	}
}
