package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestOpenMakesOnceAndKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "identity.key")
	first, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), heading) {
		t.Errorf("%q, %v", text, err)
	}
	second, err := Open(path)
	if err != nil || second != first {
		t.Errorf("%v is now %v, %v", first, second, err)
	}
	loaded, err := Load(path)
	if err != nil || loaded != first || loaded.PrivateKey() != first.PrivateKey() {
		t.Errorf("%v loads as %v, %v", first, loaded, err)
	}
	other, err := Create(filepath.Join(filepath.Dir(path), "other.key"))
	if err != nil || other.ID() == first.ID() || other.PublicKey() == first.PublicKey() {
		t.Errorf("two identities are alike: %v and %v, %v", first, other, err)
	}
	wantFiles(t, filepath.Dir(path), "identity.key", "other.key")
}

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
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the directory holds %v, want %v", got, names)
	}
}

func TestCreateTouchesNothingThatExists(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "identity.key")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Create(path)
	if !errors.Is(err, fs.ErrExist) || !strings.HasPrefix(err.Error(), "write identity "+path+": ") {
		t.Errorf("error %v", err)
	}
	if _, err := Open(path); !errors.Is(err, ErrMalformed) {
		t.Errorf("open: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file is now %q, %v", text, err)
	}
	wantFiles(t, dir, "identity.key")
}

func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.key")
	const n = 16
	var wg sync.WaitGroup
	ids := make([]Identity, n)
	for k := range n {
		wg.Go(func() {
			var err error
			if ids[k], err = Open(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, i := range ids {
		if i != ids[0] {
			t.Errorf("%v and %v out of one file", ids[0], i)
		}
	}
	wantFiles(t, filepath.Dir(path), "identity.key")
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "identity.key")
	for text, want := range map[string]string{
		"":                            "the file is empty",
		strings.Repeat("#\n", 1<<12):  "the file is too long",
		known[:len(known)-3]:          "line 3: x25519_key is not in base64",
		known + "x25519_key = AAAA\n": "line 4: x25519_key is there twice",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		want := "read identity " + path + ": " + want
		if !errors.Is(err, ErrMalformed) || err.Error() != want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
	if _, err := Load(dir); !errors.Is(err, ErrMalformed) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestClaimKeepsOthersOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.key")
	first, err := Claim(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Claim(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second claim: %v", err)
	}
	if i, err := Load(path); err != nil || i != first.Identity {
		t.Errorf("whoever only reads: %v, %v", i, err)
	}
	first.Release()
	first.Release()
	second, err := Claim(path)
	if err != nil || second.Identity != first.Identity {
		t.Fatalf("after the release: %v", err)
	}
	second.Release()
	(*Claimed)(nil).Release()
}
