package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
)

// epochFile is the name of the file in the state directory, which holds one decimal number.
const epochFile = "epoch"

// maxStep bounds by how much the number grows beyond one, at random: machines that were copied from
// one image must not count in step, or nothing would tell their peers that there are two.
const maxStep = 4096

// NextEpoch counts one start more of the node whose state directory dir is, and gives the number
// that no earlier start had and that is larger than theirs: it stands in for a clock in handshakes,
// so it is on the disk before it is used. The caller has claimed the node's identity.
//
// Where the file is missing or broken, the number is the time in seconds since 1970, which outruns
// any node that starts less than once an hour.
func NextEpoch(dir string) (uint32, error) {
	path := filepath.Join(dir, epochFile)
	next, err := nextEpoch(path, time.Now())
	if err != nil {
		return 0, fmt.Errorf("count start in %s: %w", path, atomicfile.Reason(err))
	}
	return next, nil
}

func nextEpoch(path string, now time.Time) (next uint32, err error) {
	last, err := readEpoch(path)
	switch {
	case err == nil && last == math.MaxUint32:
		return 0, errors.New("it cannot count further: remove the file and the node's identity")
	case err == nil:
		next = last + 1 + min(rand.Uint32N(maxStep), math.MaxUint32-1-last)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, strconv.ErrSyntax) ||
		errors.Is(err, strconv.ErrRange):
		next = uint32(min(max(now.Unix(), 1), math.MaxUint32-1))
	default:
		return 0, err
	}
	return next, atomicfile.ReplaceAsOwner(path, fmt.Appendln(nil, next))
}

// readEpoch reads the number of the last start; 0 is none.
func readEpoch(path string) (uint32, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err == nil && n == 0 {
		err = strconv.ErrRange
	}
	return uint32(n), err
}
