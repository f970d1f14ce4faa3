//go:build unix

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// noFollow keeps root from being led elsewhere by the owner of a directory.
const noFollow = syscall.O_NOFOLLOW

// ownerOf gives who owns a directory, when that is neither root nor us: a service that runs as a user
// of its own. Only root has to care.
func ownerOf(dir string) (uid, gid int, other bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	info, err := os.Stat(dir)
	if err != nil {
		return 0, 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}

// give hands a file or a directory that we have just made to the owner of the directory that it is in.
func give(f *os.File, dir string) error {
	uid, gid, other := ownerOf(dir)
	if !other {
		return nil
	}
	return f.Chown(uid, gid)
}

// makeDir makes one directory, for the owner of the one above it.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if _, _, other := ownerOf(filepath.Dir(dir)); !other {
		return nil
	}
	d, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|noFollow, 0)
	if err != nil {
		return err
	}
	return errors.Join(give(d, filepath.Dir(dir)), d.Close())
}

// isOurs reports whether a file is this user's; for root, also when it is that of the owner of its
// directory.
func isOurs(info fs.FileInfo, dir string) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return true
	}
	uid, _, other := ownerOf(dir)
	return other && uid == int(st.Uid)
}
