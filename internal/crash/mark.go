package crash

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/internal/bundle"
)

const (
	// maxMark is how much of a mark is read.
	maxMark = 16 << 20

	// reported begins the line of a mark that says where the report of its crash is.
	reported = "report: "
)

// reasons begin the line of the runtime's that says why the process ended.
var reasons = []string{"panic: ", "fatal error: ", "SIG"}

// A Last is how a run ended that crashed.
type Last struct {
	At     time.Time
	Reason string // in the runtime's words, such as "panic: boom"; of some fatal errors it keeps all but "fatal error"
	Report string // the path of its report; "" when there is none
}

// Last is how the run before this one ended; nil when that was in order, or by SIGKILL or a power cut.
func (r *Reporter) Last() *Last {
	if r == nil {
		return nil
	}
	return r.last
}

// Crashed reads a mark as [Open] does, and leaves it as it is: for who looks from outside. It is nil when
// the program runs, ended in order, or there is no mark.
func Crashed(mark string) (*Last, error) {
	last, _, err := readMark(mark)
	return last, err
}

// takeMark takes in what the last run has left.
func (r *Reporter) takeMark() (*Last, error) {
	last, text, err := readMark(r.o.Mark)
	if last == nil || last.Report != "" || err != nil {
		return last, err
	}
	text = withoutArguments(text)
	last.Report, err = r.write(bundle.File{Name: "crash.txt", Text: text, Kind: bundle.Made})
	return last, err
}

// readMark reads what the run before this one has left; nil for no crash.
func readMark(path string) (last *Last, text []byte, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err == nil {
		text, err = atomicfile.Read(path, maxMark)
	}
	if err != nil {
		return nil, nil, err
	}
	_, crash, _ := bytes.Cut(text, []byte("\n"))
	if len(bytes.TrimSpace(crash)) == 0 {
		return nil, nil, nil
	}
	last = &Last{At: info.ModTime(), Reason: "fatal error"}
	for line := range strings.Lines(string(crash)) {
		line = strings.TrimSpace(line)
		if path, ok := strings.CutPrefix(line, reported); ok {
			last.Report = path
			continue
		}
		if isReason(line) {
			last.Reason = string(bundle.File{Text: []byte(line), Kind: bundle.Made}.Clean())
			break
		}
	}
	return last, text, nil
}

func isReason(line string) bool {
	for _, r := range reasons {
		if strings.HasPrefix(line, r) {
			return true
		}
	}
	return false
}
