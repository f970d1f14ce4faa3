//go:build unix

package atomicfile

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkPrivate refuses a file in a directory that somebody else can read or change.
func checkPrivate(info fs.FileInfo, dir string) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && !isOurs(info, dir) {
		return fmt.Errorf("%w (uid %d, and this is uid %d)", ErrOwner, stat.Uid, os.Geteuid())
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w (mode %04o)", ErrExposed, mode)
	}
	return nil
}

// SyncDir makes sure that a name in the directory survives a power cut.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
