package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

var (
	// ErrExposed is wrapped by the error of a file that others than its owner can read or write.
	ErrExposed = errors.New("others than its owner can use it")

	// ErrOwner is wrapped by the error of a file that belongs to another user.
	ErrOwner = errors.New("it belongs to another user")
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
		return Identity{}, fmt.Errorf("read identity %s: %w", path, withoutPath(err))
	}
	return i, nil
}

func load(path string) (Identity, error) {
	// Opening a named pipe would wait for somebody to write.
	if info, err := os.Stat(path); err != nil {
		return Identity{}, err
	} else if !info.Mode().IsRegular() {
		return Identity{}, &lineError{what: "this is no file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return Identity{}, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return Identity{}, err
	}
	if err := checkPrivate(info); err != nil {
		return Identity{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	switch {
	case err != nil:
		return Identity{}, err
	case len(text) == 0:
		return Identity{}, &lineError{what: "the file is empty"}
	case len(text) > maxText:
		return Identity{}, &lineError{what: "the file is too long"}
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
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Identity{}, fmt.Errorf("make state directory: %w", err)
	}
	err = writeNew(path, i.text())
	if err != nil {
		return Identity{}, fmt.Errorf("write identity %s: %w", path, withoutPath(err))
	}
	return i, nil
}

// writeNew makes a file that is there whole or not at all, and takes nobody's place.
func writeNew(path string, text []byte) error {
	tmp, err := writeBeside(path, text)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp) }()
	// A link is never made over a file, as a rename would be.
	if err := os.Link(tmp, path); errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil { // a file system without links
		if err := renameNew(tmp, path); err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(path))
}

// renameNew renames a file unless there is one of the new name. Between the look and the act
// somebody may make it; only file systems without links come here.
func renameNew(from, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "create", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}

// writeBeside writes a file of its own in the directory of path, down to the disk, which only we can
// read, and gives its name.
func writeBeside(path string, text []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return f.Name(), err
}

// withoutPath leaves out the path of an error, which has been said.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
