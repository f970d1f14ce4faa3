package crash

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/internal/bundle"
)

// Where is where reports are to be sent.
const Where = "https://github.com/vxmesh/vxmesh/issues"

// patience is how long the end waits for its report: a disk that does not answer must not keep a dead
// process.
const patience = 5 * time.Second

// Options say what a report has in it, and where it goes.
type Options struct {
	Name    string // of what runs, for the names of reports
	Version string // of the program
	Mark    string // the path of the mark, which belongs to this process alone
	Dir     string // where reports are kept; made with the first. Where that fails, they go to the temporary directory
	// Files gives what else belongs into a report. It is called by a goroutine of its own, at any time, and
	// must not wait for what another may hold.
	Files func() []bundle.File
	// Stderr is told where the report is; nil is the process's own.
	Stderr io.Writer
}

// A Reporter writes reports. Make one with [Open].
type Reporter struct {
	o    Options
	last *Last // nil: the run before ended in order

	ending sync.Mutex // held by the goroutine that ends the process, for good

	mu       sync.Mutex
	mark     *os.File // nil where there is none
	survived string   // the report of the first panic that did not end the process
}

// Open begins a run: it makes a report of the last one if that crashed and has none, and has the runtime
// write to the mark from now on. The reporter can be used also after an error, which says what it cannot do.
func Open(o Options) (*Reporter, error) {
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	r := &Reporter{o: o}
	var taken, set error
	if r.last, taken = r.takeMark(); taken != nil {
		taken = fmt.Errorf("report the last crash: %w", taken)
	}
	if set = r.setMark(); set != nil {
		set = fmt.Errorf("watch for crashes: %w", set)
	}
	return r, errors.Join(taken, set)
}

// setMark makes a new mark, whose first line says what it is.
func (r *Reporter) setMark() error {
	text := fmt.Appendf(nil, "vxmesh %s %s %s/%s pid %d, started %s. More lines than this one are of a crash.\n",
		r.o.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	if err := atomicfile.ReplaceAsOwner(r.o.Mark, text); err != nil {
		return err
	}
	f, err := os.OpenFile(r.o.Mark, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	debug.SetTraceback("all") // here there is nothing else to tell what the others did
	if err := debug.SetCrashOutput(f, debug.CrashOptions{}); err != nil {
		return errors.Join(err, f.Close())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mark = f
	return nil
}

// Close ends a run in order: what happens after it is no crash any more.
func (r *Reporter) Close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mark == nil {
		return
	}
	_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
	_ = r.mark.Close()
	_ = os.Remove(r.o.Mark) // what stays says no more than that the end was none in order
	r.mark = nil
}

// Guard is to be deferred first of all by a goroutine: it reports its panic, says where, and lets it
// go on to end the process. Of several that panic at once the first is reported, and the others wait for
// the end.
func (r *Reporter) Guard() {
	if r == nil {
		return
	}
	v := recover()
	if v == nil {
		return
	}
	r.ending.Lock()
	line := r.report(v, debug.Stack(), r.note)
	_, _ = fmt.Fprintln(r.o.Stderr, "vxmesh: "+line)
	debug.SetTraceback("single") // the report has all of them
	panic(v)
}

// Survive reports a panic that was recovered and does not end the process, once in the process's life:
// what crashes with each request is the same again. It gives where the report is, in a sentence. The caller's
// deferred function has recovered v.
func (r *Reporter) Survive(v any) (line string) {
	if r == nil {
		return "there is no crash report"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.survived == "" {
		r.survived = r.report(v, debug.Stack(), func(string) {}) // the mark is about the end
	}
	return r.survived
}

// Survived says where the report of the first panic is that did not end the process; "" for none.
func (r *Reporter) Survived() string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.survived
}

// report writes a report on a goroutine of its own, which may panic or hang as it likes, and tells written
// of its path. The line says where it is, or why there is none.
func (r *Reporter) report(v any, stack []byte, written func(path string)) (line string) {
	done := make(chan string, 1)
	go func() {
		defer func() {
			if again := recover(); again != nil {
				done <- "there is no crash report: writing it panicked, too: " + valueText(again)
			}
		}()
		path, err := r.write(crashFile(v, stack))
		if err != nil {
			done <- fmt.Sprintf("there is no crash report: %v", err)
			return
		}
		written(path)
		done <- fmt.Sprintf("crash report: %s (no keys in it, but names and addresses); please send it to %s", path, Where)
	}()
	select {
	case line = <-done:
		return line
	case <-time.After(patience):
		return fmt.Sprintf("there is no crash report: writing it took more than %v", patience)
	}
}

// note has the mark say where the report of the end is.
func (r *Reporter) note(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mark != nil {
		_, _ = fmt.Fprintln(r.mark, reported+path)
	}
}
