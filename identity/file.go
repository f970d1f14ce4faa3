package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
)

var (
	// ErrExposed is wrapped by the error of a file that others than its owner can read or write.
	ErrExposed = atomicfile.ErrExposed

	// ErrOwner is wrapped by the error of a file that belongs to another user.
	ErrOwner = atomicfile.ErrOwner
)

// Open reads the identity in the file path, and makes it, and the directory, when there is none. Of
// several that make it at once one wins, and all get what it made.
func Open(path string) (Identity, error) {
	i, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return i, err
	}
	i, err = Create(path)
	if errors.Is(err, fs.ErrExist) {
		return Load(path)
	}
	return i, err
}

// Load reads the identity in the file path. A file that others can read, that is not ours, or that
// holds something else is refused.
func Load(path string) (Identity, error) {
	i, err := load(path)
	if err != nil {
		return Identity{}, fmt.Errorf("read identity %s: %w", path, atomicfile.Reason(err))
	}
	return i, nil
}

func load(path string) (Identity, error) {
	text, err := atomicfile.Read(path, maxText)
	switch {
	case errors.Is(err, atomicfile.ErrNoFile) || errors.Is(err, atomicfile.ErrTooLong):
		return Identity{}, &lineError{what: err.Error()}
	case err != nil:
		return Identity{}, err
	case len(text) == 0:
		return Identity{}, &lineError{what: "the file is empty"}
	}
	return parse(text)
}

// Create makes an identity and writes it to the file path, whose directory it makes as well. A file
// that exists is never touched: the error wraps [fs.ErrExist].
func Create(path string) (Identity, error) {
	i, err := generate()
	if err != nil {
		return Identity{}, err
	}
	dir := filepath.Dir(path)
	if err := atomicfile.MakeDir(dir); err != nil {
		return Identity{}, fmt.Errorf("make state directory: %w", err)
	}
	if err := atomicfile.CreateAsOwner(path, i.text()); err != nil {
		return Identity{}, fmt.Errorf("write identity %s: %w", path, atomicfile.Reason(err))
	}
	return i, nil
}
