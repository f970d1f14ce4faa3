package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrInUse is wrapped by what [Claim] returns when another node runs with the identity.
var ErrInUse = errors.New("in use by another node")

// A Claimed is an identity that no other node on this machine can use until it is released or the
// process ends.
type Claimed struct {
	Identity
	file *os.File // keeps the lock
}

// Claim is [Open] for a node that will run with the identity. While another one does, the error is
// [ErrInUse].
func Claim(path string) (*Claimed, error) {
	i, err := Open(path)
	if err != nil {
		return nil, err
	}
	f, err := openToLock(path)
	if err == nil {
		if err = lockFile(f); err != nil {
			_ = f.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock identity %s: %w", path, withoutPath(err))
	}
	return &Claimed{i, f}, nil
}

// openToLock opens the file for writing, which network file systems want for a lock, unless it is
// there to be read only.
func openToLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) || isReadOnly(err) {
		return os.Open(path)
	}
	return f, err
}

// Release lets another node use the identity. It may be called on nil, and more than once.
func (c *Claimed) Release() {
	if c != nil {
		_ = c.file.Close()
	}
}
