package membership

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
)

// The files of the state directory.
const (
	fileMembership  = "membership.json"
	fileMembers     = "members.json"
	fileInvitations = "invitations.json"
	fileNetworkKey  = "network.key"
	fileLock        = "membership.lock"
)

const (
	// format is what the JSON files begin with. A program refuses one that is higher than its own.
	format = 1
	// maxFile is more than any file of ours has, in bytes.
	maxFile = 64 << 20
	// patience is how long another process may take to change a file.
	patience = 10 * time.Second
)

// errFormat says that a file is of a later program.
var errFormat = errors.New("it was written by a newer version of vxmesh: use that one")

// A store is a state directory.
type store struct {
	dir     string
	replace func(path string, data []byte) error // [atomicfile.ReplaceAsOwner], but in tests
}

func newStore(dir string) store { return store{dir, atomicfile.ReplaceAsOwner} }

func (s store) path(name string) string { return filepath.Join(s.dir, name) }

// make makes the directory.
func (s store) make() error {
	if err := atomicfile.MakeDir(s.dir); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	return nil
}

// locked calls f while no other process, and nobody else in this one, changes files here.
func (s store) locked(f func() error) error {
	lock, err := atomicfile.Lock(s.path(fileLock), patience)
	if err != nil {
		return fmt.Errorf("lock %s: %w", s.path(fileLock), atomicfile.Reason(err))
	}
	defer func() { _ = lock.Close() }()
	atomicfile.Sweep(s.dir, fileMembership, fileMembers, fileInvitations, fileNetworkKey)
	return f()
}

// save replaces a file. The caller holds the lock.
func (s store) save(name string, data []byte) error {
	if err := s.replace(s.path(name), data); err != nil {
		return fmt.Errorf("write %s: %w", s.path(name), atomicfile.Reason(err))
	}
	return nil
}

// saveJSON is save for what JSON can express.
func (s store) saveJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path(name), err)
	}
	return s.save(name, append(b, '\n'))
}

// load reads a file. The error of a missing one wraps [fs.ErrNotExist].
func (s store) load(name string) ([]byte, error) {
	b, err := atomicfile.Read(s.path(name), maxFile)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.path(name), atomicfile.Reason(err))
	}
	return b, nil
}

// loadJSON reads a file into v and has check look at it. advice says what to do about a broken one.
// The errors never quote the file: it may be a secret.
func (s store) loadJSON(name, advice string, v versioned, check func() error) error {
	b, err := s.load(name)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // whoever writes it again would lose them
	if err = d.Decode(v); err != nil {
		var h header
		if json.Unmarshal(b, &h) == nil && errors.Is(h.checkFormat(), errFormat) {
			err = errFormat
		}
	} else if err = v.checkFormat(); err == nil {
		err = check()
	}
	if errors.Is(err, errFormat) {
		return fmt.Errorf("read %s: %w", s.path(name), err)
	}
	if err != nil {
		return fmt.Errorf("read %s: it is broken (%w): %s", s.path(name), err, advice)
	}
	return nil
}

// A header begins every JSON file.
type header struct {
	Format int `json:"format"`
}

type versioned interface{ checkFormat() error }

func (h header) checkFormat() error {
	switch {
	case h.Format < 1:
		return errors.New("it does not say its format")
	case h.Format > format:
		return errFormat
	}
	return nil
}

// exists reports whether there is something of the name, whatever it is.
func (s store) exists(name string) bool {
	_, err := os.Lstat(s.path(name))
	return !errors.Is(err, fs.ErrNotExist)
}

// key32 is a key, which JSON has in base64.
type key32 [32]byte

func (k key32) MarshalText() ([]byte, error) {
	return []byte(base64.StdEncoding.EncodeToString(k[:])), nil
}

func (k *key32) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(b) != len(k) {
		return errors.New("a key is not 32 bytes in base64")
	}
	*k = key32(b)
	return nil
}
