package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/internal/bundle"
)

const (
	// Kept is how many reports are kept; the oldest go first.
	Kept = 5
	// maxSame is how many reports may have one time.
	maxSame = 100

	prefix, suffix = "vxmesh-", ".tar.gz"
	timeForm       = "20060102T150405.000Z"
)

// crashFile is what a report says of a panic.
func crashFile(v any, stack []byte) bundle.File {
	var b bytes.Buffer
	fmt.Fprintf(&b, "panic: %s\n\n%s\n", valueText(v), withoutArguments(stack))
	fmt.Fprintf(&b, "All goroutines a moment later:\n\n%s", Stacks())
	return bundle.File{Name: "crash.txt", Text: b.Bytes(), Kind: bundle.Made}
}

// write writes a report.
func (r *Reporter) write(what bundle.File) (path string, err error) {
	now := time.Now().UTC()
	packed, err := bundle.Pack("vxmesh-crash", append([]bundle.File{what}, r.o.Files()...), now)
	if err != nil {
		return "", err
	}
	return r.keep(packed, now)
}

// keep puts a report into its directory, or else into the temporary one.
func (r *Reporter) keep(packed []byte, now time.Time) (path string, err error) {
	name := prefix + r.o.Name + "-" + now.Format(timeForm)
	if err = atomicfile.MakeDir(r.o.Dir); err == nil {
		path, err = create(filepath.Join(r.o.Dir, name), packed)
	}
	if err == nil {
		prune(r.o.Dir, path)
		return path, nil
	}
	dir, tempErr := os.MkdirTemp("", prefix) // for us alone, and of a name that nobody knows before
	if tempErr == nil {
		path, tempErr = create(filepath.Join(dir, name), packed)
	}
	if tempErr != nil {
		return "", fmt.Errorf("write to %s: %w; write to %s: %w", r.o.Dir, atomicfile.Reason(err),
			os.TempDir(), atomicfile.Reason(tempErr))
	}
	return path, nil
}

// create writes a file of a name that begins so, in nobody's place.
func create(name string, packed []byte) (path string, err error) {
	for i := range maxSame {
		path = name + suffix
		if i > 0 {
			path = fmt.Sprintf("%s-%d%s", name, i+1, suffix)
		}
		if err = atomicfile.CreateAsOwner(path, packed); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return path, err
}

// List gives the paths of the reports in a directory, oldest first.
func List(dir string) (paths []string) {
	entries, _ := os.ReadDir(dir) // by name, and so by time
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths
}

// prune removes the oldest reports, but never the newest, whatever the clock said of it.
func prune(dir, newest string) {
	old := slices.DeleteFunc(List(dir), func(path string) bool { return path == newest })
	for len(old) >= Kept {
		_ = os.Remove(old[0])
		old = old[1:]
	}
}
