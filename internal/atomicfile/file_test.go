package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func wantFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, names) {
		t.Errorf("the directory holds %v, want %v", got, names)
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, text := range []string{"old", "", "new"} {
		if err := Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path, 3); err != nil || string(got) != text {
			t.Errorf("%q, %v, want %q", got, err, text)
		}
	}
	wantFiles(t, filepath.Dir(path), "a")
	if _, err := Read(path, 2); !errors.Is(err, ErrTooLong) {
		t.Errorf("more than wanted: %v", err)
	}
	if _, err := Read(filepath.Dir(path), 9); !errors.Is(err, ErrNoFile) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Read(path+"b", 9); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}

// What cannot be renamed leaves the old one, and nothing beside it.
func TestReplaceFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	err := Replace(filepath.Dir(path), []byte("x"))
	if err == nil || strings.Contains(Reason(err).Error(), dir) {
		t.Errorf("over a directory: %v", err)
	}
	if err := Replace(filepath.Join(dir, "none", "c"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no directory: %v", err)
	}
	wantFiles(t, dir, "a")
}

func TestCreateTakesNobodysPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := Create(path, []byte("precious")); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, []byte("new")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	// Nor on file systems without links.
	tmp, err := writeBeside(path, []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	if err := renameNew(tmp, path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("rename: %v", err)
	}
	if got, err := Read(path, 9); string(got) != "precious" {
		t.Errorf("the file is now %q, %v", got, err)
	}
	if err := renameNew(tmp, filepath.Join(dir, "b")); err != nil {
		t.Errorf("rename to a free name: %v", err)
	}
	wantFiles(t, dir, "a", "b")
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "ab"} {
		if _, err := writeBeside(filepath.Join(dir, name), nil); err != nil {
			t.Fatal(err)
		}
		if err := Replace(filepath.Join(dir, name), nil); err != nil {
			t.Fatal(err)
		}
	}
	Sweep(dir, "ab")
	if left, _ := filepath.Glob(filepath.Join(dir, ".a-*")); len(left) != 1 {
		t.Errorf("what lies beside another file: %v", left)
	}
	Sweep(dir, "b", "a")
	wantFiles(t, dir, "a", "ab")
}

func TestLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if _, err := TryLock(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no file: %v", err)
	}
	first, err := Lock(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("at once: %v", err)
	}
	if _, err := Lock(path, 5*time.Millisecond); !errors.Is(err, ErrLocked) {
		t.Errorf("with patience: %v", err)
	}
	done := make(chan error)
	go func() {
		second, err := Lock(path, time.Minute)
		done <- errors.Join(err, second.Close())
	}()
	if err := errors.Join(first.Close(), <-done); err != nil {
		t.Errorf("after the release: %v", err)
	}
}
