package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ErrLocked is the error of a lock that somebody else holds.
var ErrLocked = errors.New("another process holds the lock")

// lockPause is how soon a lock is tried again.
const lockPause = 2 * time.Millisecond

// TryLock takes the lock of a file that exists. It is held until the file is closed, or the process
// ends.
func TryLock(path string) (*os.File, error) {
	f, err := openToLock(path)
	if err != nil {
		return nil, err
	}
	return lockOrClose(f)
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

func lockOrClose(f *os.File) (*os.File, error) {
	if err := lockFile(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Lock takes the lock of a file, which it makes when there is none and which nobody may remove. It
// waits for others for so long. That it can be had does not tell whether the directory can be
// written to. The lock is held until the file is closed, or the process ends.
func Lock(path string, patience time.Duration) (*os.File, error) {
	f, err := openOrMake(path)
	if err != nil {
		return nil, err
	}
	// Asking again and again, for a wait inside the system could not be ended.
	for end := time.Now().Add(patience); ; time.Sleep(lockPause) {
		err := lockFile(f)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, ErrLocked) || !time.Now().Before(end) {
			_ = f.Close()
			return nil, err
		}
	}
}

// openOrMake opens a file for writing. One that it makes belongs to the owner of the directory; one that
// is there is never given to anybody.
func openOrMake(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|noFollow, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) { // somebody was faster
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := give(f, filepath.Dir(path)); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
}
