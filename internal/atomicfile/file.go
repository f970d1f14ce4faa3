package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var (
	// ErrExposed is wrapped by the error of a file that others than its owner can read or write.
	ErrExposed = errors.New("others than its owner can use it")

	// ErrOwner is wrapped by the error of a file that belongs to another user.
	ErrOwner = errors.New("it belongs to another user")

	// ErrNoFile is the error of what is a directory, or a pipe.
	ErrNoFile = errors.New("this is no file")

	// ErrTooLong is the error of a file that is longer than the reader wants to read.
	ErrTooLong = errors.New("the file is too long")
)

// Read reads a file of at most so many bytes that is private to this user. Root reads that of the
// directory's owner as well.
func Read(path string, most int64) ([]byte, error) {
	// Opening a named pipe would wait for somebody to write.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, ErrNoFile
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(info, filepath.Dir(path)); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		return nil, ErrTooLong
	}
	return data, err
}

// Replace writes a file in place of the one that may be there. After an error either may be there.
func Replace(path string, data []byte) error {
	tmp, err := writeBeside(path, data)
	if err != nil {
		return err
	}
	return replace(tmp, path)
}

// ReplaceAsOwner is [Replace], but what root writes belongs to the owner of the directory: a service
// that runs as a user of its own is to read it.
func ReplaceAsOwner(path string, data []byte) error {
	tmp, err := writeAsOwner(path, data)
	if err != nil {
		return err
	}
	return replace(tmp, path)
}

// replace puts a file that lies beside its place into it.
func replace(tmp, path string) error {
	if err := rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Create writes a file that is not there yet, and takes nobody's place: the error wraps
// [fs.ErrExist] when there is one.
func Create(path string, data []byte) error {
	tmp, err := writeBeside(path, data)
	if err != nil {
		return err
	}
	return create(tmp, path)
}

// CreateAsOwner is [Create], but what root writes belongs to the owner of the directory.
func CreateAsOwner(path string, data []byte) error {
	tmp, err := writeAsOwner(path, data)
	if err != nil {
		return err
	}
	return create(tmp, path)
}

// create gives a file that lies beside its place its name, and removes it.
func create(tmp, path string) error {
	defer func() { _ = os.Remove(tmp) }()
	// A link is never made over a file, as a rename would be.
	if err := os.Link(tmp, path); errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil { // a file system without links
		if err := renameNew(tmp, path); err != nil {
			return err
		}
	}
	return SyncDir(filepath.Dir(path))
}

// renameNew renames a file unless there is one of the new name. Between the look and the act
// somebody may make it; only file systems without links come here.
func renameNew(from, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "create", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}

// beside is how the names begin of what is written beside a file.
func beside(path string) string { return "." + filepath.Base(path) + "-" }

// writeBeside writes a file of its own in the directory of path, down to the disk, which only we can
// read, and gives its name.
func writeBeside(path string, data []byte) (name string, err error) {
	return writeBy(path, data, func(*os.File, string) error { return nil })
}

// writeAsOwner is writeBeside for the owner of the directory.
func writeAsOwner(path string, data []byte) (name string, err error) {
	return writeBy(path, data, give)
}

func writeBy(path string, data []byte, give func(f *os.File, dir string) error) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), beside(path)+"*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	err = errors.Join(err, give(f, filepath.Dir(path)), f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return f.Name(), err
}

// MakeDir makes a private directory, and those above it that are missing. What root makes belongs to the
// owner of the directory that it is in. One that is there already stays as it is.
func MakeDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("there is a file of that name")}
	}
	if above := filepath.Dir(dir); above != dir {
		if err := MakeDir(above); err != nil {
			return err
		}
	}
	if err := makeDir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Sweep removes what processes that were killed left beside the files of these names. The caller
// keeps others from writing them at the time.
func Sweep(dir string, names ...string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(e.Name(), beside(n)) }) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// Reason leaves out the path of an error, where that has been said.
func Reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
