package tundev

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// TestOpenPassedRefuses what is no TAP, and closes it.
func TestOpenPassedRefuses(t *testing.T) {
	file := func() (*os.File, error) { return os.Create(filepath.Join(t.TempDir(), "file")) }
	pipe := func() (*os.File, error) {
		r, w, err := os.Pipe()
		if err == nil {
			_ = w.Close()
		}
		return r, err
	}
	null := func() (*os.File, error) { return os.Open(os.DevNull) }
	for name, open := range map[string]func() (*os.File, error){"a file": file, "a pipe": pipe, "null": null} {
		f, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenPassed(f, Options{Name: "guest", MAC: ether.MAC{2}}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if err := f.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s is still open: %v", name, err)
		}
	}
}
