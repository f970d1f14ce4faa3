package identity

import (
	"errors"
	"fmt"
	"os"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
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
	f, err := atomicfile.TryLock(path)
	if errors.Is(err, atomicfile.ErrLocked) {
		err = ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("lock identity %s: %w", path, atomicfile.Reason(err))
	}
	return &Claimed{i, f}, nil
}

// Release lets another node use the identity. It may be called on nil, and more than once.
func (c *Claimed) Release() {
	if c != nil {
		_ = c.file.Close()
	}
}
