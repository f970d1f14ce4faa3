package crash_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vxmesh/vxmesh/internal/bundle"
	"github.com/vxmesh/vxmesh/internal/crash"
)

// What really ends a process is tried in one of its own: this program once more, with the name of what is to
// happen in its environment.
const howVar = "VXMESH_TEST_CRASH"

func TestMain(m *testing.M) {
	if how := os.Getenv(howVar); how != "" {
		crashes[how](os.Args[1])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// options are those of a run with its files in dir.
func options(dir string) crash.Options {
	return crash.Options{
		Name: "home", Version: "v1.2.3", Mark: filepath.Join(dir, "mark"), Dir: filepath.Join(dir, "crash"),
		Files: func() []bundle.File {
			return []bundle.File{{Name: "config.toml", Text: []byte("name = \"home\" # vxm1aaaaaaaaaaaaaaaa\n")}}
		},
	}
}

func open(dir string) *crash.Reporter {
	r, err := crash.Open(options(dir))
	if err != nil {
		fmt.Println(err)
		os.Exit(99)
	}
	return r
}

// guarded runs f on a goroutine as a service does, and waits for its end, which does not come.
func guarded(r *crash.Reporter, f func()) {
	var all sync.WaitGroup
	all.Go(func() {
		defer r.Guard()
		f()
	})
	all.Wait()
}

//go:noinline
func use(key [4]uint64) { panic(fmt.Sprint("boom after ", len(key))) }

// crashes are the bad ends, by name.
var crashes = map[string]func(dir string){
	"panic": func(dir string) {
		guarded(open(dir), func() { use([4]uint64{0xfeedfacecafe0001, 2, 3, 4}) })
	},
	"two at once": func(dir string) {
		r := open(dir)
		var both sync.WaitGroup
		for _, text := range []string{"one", "two"} {
			both.Go(func() {
				defer r.Guard()
				panic(text)
			})
		}
		both.Wait()
	},
	"unguarded": func(dir string) {
		open(dir)
		panic("on the main goroutine")
	},
	"fatal": func(dir string) { // which no deferred function sees
		r := open(dir)
		guarded(r, func() { new(sync.Mutex).Unlock() })
	},
	"after one that was survived": func(dir string) {
		r := open(dir)
		r.Survive("lucky")
		guarded(r, func() { new(sync.Mutex).Unlock() })
	},
	"in the reporter": func(dir string) {
		o := options(dir)
		o.Files = func() []bundle.File { panic("again") }
		r, _ := crash.Open(o)
		guarded(r, func() { panic("boom") })
	},
	"the disk hangs": func(dir string) {
		o := options(dir)
		o.Files = func() []bundle.File { select {} }
		r, _ := crash.Open(o)
		guarded(r, func() { panic("boom") })
	},
	"nowhere to write": func(dir string) {
		r := open(dir)
		// A file where the directory would be: nobody can write there, whoever it is.
		_ = os.WriteFile(filepath.Join(dir, "crash"), nil, 0o600)
		_ = os.Setenv("TMPDIR", filepath.Join(dir, "none"))
		guarded(r, func() { panic("boom") })
	},
	"only the temporary directory": func(dir string) {
		r := open(dir)
		_ = os.WriteFile(filepath.Join(dir, "crash"), nil, 0o600)
		guarded(r, func() { panic("boom") })
	},
	"in order": func(dir string) {
		r := open(dir)
		guarded(r, func() {})
		r.Close()
	},
	"killed": func(dir string) { open(dir) },
}

// run has a process come to an end, and gives its exit code and what it said.
func run(t *testing.T, dir, how string) (code int, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir)
	cmd.Env = append(os.Environ(), howVar+"="+how, "TMPDIR="+dir, "GOTRACEBACK=")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), string(out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(out)
}

// unpack gives the files of a report.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%s has mode %v", path, info.Mode())
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		text, readErr := io.ReadAll(in)
		if err = errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "vxmesh-crash/")] = string(text)
	}
}

// only gives the one report that there is in dir.
func only(t *testing.T, dir string) string {
	t.Helper()
	list := crash.List(dir)
	if len(list) != 1 {
		t.Fatalf("%d reports in %s", len(list), dir)
	}
	return list[0]
}

// TestPanic: the process ends as ever, with one line more, and the report has all but arguments and
// secrets. The next run knows.
func TestPanic(t *testing.T) {
	dir := t.TempDir()
	code, said := run(t, dir, "panic")
	path := only(t, filepath.Join(dir, "crash"))
	if code != 2 || !strings.Contains(said, "panic: boom after 4 [recovered, repanicked]") ||
		!strings.Contains(said, "crash_test.use(") || strings.Count(said, "\n\ngoroutine ") != 1 ||
		!strings.Contains(said, "vxmesh: crash report: "+path+" (no keys in it, but names and addresses); please send it to https://") {
		t.Errorf("exit code %d: %s", code, said)
	}
	files := unpack(t, path)
	text := files["crash.txt"]
	if !strings.HasPrefix(text, "panic: boom after 4\n\ngoroutine ") || !strings.Contains(text, "crash_test.use(...)\n\t") ||
		!strings.Contains(text, "All goroutines a moment later:\n\ngoroutine ") || !strings.Contains(text, "sync.(*WaitGroup).Wait(...)\n\t") {
		t.Errorf("crash.txt: %s", text)
	}
	if strings.Contains(text, "feedface") {
		t.Error("there are arguments in the stacks")
	}
	if files["config.toml"] != "name = \"home\" # [left out]\n" {
		t.Errorf("config.toml: %s", files["config.toml"])
	}
	wantLast(t, dir, "panic: boom after 4 [recovered, repanicked]", path)
	wantLast(t, dir, "", "")
}

// wantLast begins and ends a run, which knows of the one before.
func wantLast(t *testing.T, dir, reason, report string) {
	t.Helper()
	r, err := crash.Open(options(dir))
	if err != nil {
		t.Error(err)
	}
	defer r.Close()
	last := r.Last()
	if last == nil {
		last = &crash.Last{}
	}
	if last.Reason != reason || last.Report != report || (reason == "") != last.At.IsZero() {
		t.Errorf("the run before: %+v, want %q and %s", last, reason, report)
	}
}

// TestRuntimeCrash: what nobody can recover is reported by the next run, once.
func TestRuntimeCrash(t *testing.T) {
	for how, want := range map[string]string{"unguarded": "panic: on the main goroutine", "fatal": "fatal error"} {
		dir := t.TempDir()
		if code, said := run(t, dir, how); code != 2 || !strings.HasPrefix(said, want) {
			t.Errorf("%s: exit code %d: %s", how, code, said)
		}
		if last, err := crash.Crashed(filepath.Join(dir, "mark")); err != nil || last == nil || last.Reason != want || last.Report != "" {
			t.Errorf("%s: from outside: %+v, %v", how, last, err)
		}
		if code, said := run(t, dir, "in order"); code != 0 || said != "" {
			t.Errorf("%s: the run after: exit code %d: %s", how, code, said)
		}
		files := unpack(t, only(t, filepath.Join(dir, "crash")))
		if text := files["crash.txt"]; !strings.HasPrefix(text, "vxmesh v1.2.3 go") || !strings.Contains(text, "(...)\n\t") ||
			how == "unguarded" && !strings.Contains(text, "\n"+want+"\n") || files["config.toml"] == "" {
			t.Errorf("%s: %v", how, files)
		}
		wantLast(t, dir, "", "")
	}
}

// TestSurvived: what did not end the process is not what the next run is told of.
func TestSurvived(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, "after one that was survived")
	survived := only(t, filepath.Join(dir, "crash"))
	if !strings.HasPrefix(unpack(t, survived)["crash.txt"], "panic: lucky\n") {
		t.Error("the first report is another's")
	}
	r, err := crash.Open(options(dir))
	if err != nil || r.Last() == nil || r.Last().Reason != "fatal error" || r.Last().Report == survived {
		t.Errorf("%+v, %v", r.Last(), err)
	}
	r.Close()
}

// TestNoReport: whatever goes wrong with the report, the process ends, and says both.
func TestNoReport(t *testing.T) {
	for how, want := range map[string]string{
		"in the reporter":  "vxmesh: there is no crash report: writing it panicked, too: again\n",
		"the disk hangs":   "vxmesh: there is no crash report: writing it took more than 5s\n",
		"nowhere to write": "vxmesh: there is no crash report: write to ",
	} {
		dir := t.TempDir()
		code, said := run(t, dir, how)
		if code != 2 || !strings.Contains(said, want) || !strings.Contains(said, "panic: boom [recovered, repanicked]") {
			t.Errorf("%s: exit code %d: %s", how, code, said)
		}
		if last, err := crash.Crashed(filepath.Join(dir, "mark")); err != nil || last == nil || last.Report != "" {
			t.Errorf("%s: the run after makes no report: %+v, %v", how, last, err)
		}
	}
}

// TestTemporaryDirectory: a report that has no place of its own is private there, too.
func TestTemporaryDirectory(t *testing.T) {
	dir := t.TempDir()
	code, said := run(t, dir, "only the temporary directory")
	found, _ := filepath.Glob(filepath.Join(dir, "vxmesh-*", "vxmesh-home-*.tar.gz"))
	if code != 2 || len(found) != 1 || !strings.Contains(said, "crash report: "+found[0]) {
		t.Fatalf("exit code %d, %d reports: %s", code, len(found), said)
	}
	unpack(t, found[0])
	wantLast(t, dir, "panic: boom [recovered, repanicked]", found[0])
}

func TestTwoAtOnce(t *testing.T) {
	dir := t.TempDir()
	if code, said := run(t, dir, "two at once"); code != 2 || strings.Count(said, "crash report: ") != 1 {
		t.Errorf("exit code %d: %s", code, said)
	}
	only(t, filepath.Join(dir, "crash"))
}

// TestOrderly: neither an end in order nor a sudden one is a crash, and the former leaves nothing.
func TestOrderly(t *testing.T) {
	dir := t.TempDir()
	if code, said := run(t, dir, "in order"); code != 0 || said != "" {
		t.Errorf("exit code %d: %s", code, said)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	run(t, dir, "killed")
	if last, err := crash.Crashed(filepath.Join(dir, "mark")); last != nil || err != nil {
		t.Errorf("%+v, %v", last, err)
	}
	wantLast(t, dir, "", "")
}

// TestKept: a crash never costs the report of the one before, but that of the sixth before.
func TestKept(t *testing.T) {
	dir := t.TempDir()
	reports := filepath.Join(dir, "crash")
	if err := os.Mkdir(reports, 0o700); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(reports, "notes.txt")
	for _, name := range []string{filepath.Join(reports, "vxmesh-home-20990101T000000.000Z.tar.gz"), other} { // the clock was wrong
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var newest string
	for range crash.Kept + 2 {
		var buf bytes.Buffer
		o := options(dir)
		o.Stderr = &buf
		r, err := crash.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		line := r.Survive("boom")
		if again := r.Survive("other"); again != line || r.Survived() != line {
			t.Errorf("%s, then %s", line, again)
		}
		_, newest, _ = strings.Cut(line, "crash report: ")
		newest, _, _ = strings.Cut(newest, " ")
		r.Close()
	}
	if list := crash.List(reports); len(list) != crash.Kept || !strings.Contains(strings.Join(list, " "), newest) {
		t.Errorf("%d reports, and %s was the last: %v", len(list), newest, list)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

// TestNil: without a reporter a panic is what it is.
func TestNil(t *testing.T) {
	var r *crash.Reporter
	defer func() {
		if v := recover(); v != "boom" {
			t.Errorf("recovered %v", v)
		}
	}()
	r.Close()
	if r.Last() != nil || r.Survived() != "" || r.Survive("x") == "" {
		t.Error("there is a report")
	}
	defer r.Guard()
	panic("boom")
}

// A secretive value says nothing of itself.
type secretive struct{ Key string }

func TestValues(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		v    any
		want string
	}{
		{errors.New("it broke"), "panic: it broke\n"},
		{7, "panic: 7\n"},
		{secretive{"feedface"}, "panic: (crash_test.secretive)\n"},
	} {
		r := open(dir)
		_, path, _ := strings.Cut(r.Survive(c.v), "crash report: ")
		path, _, _ = strings.Cut(path, " ")
		if text := unpack(t, path)["crash.txt"]; !strings.HasPrefix(text, c.want) || strings.Contains(text, "feedface") {
			t.Errorf("%v: %s", c.v, text)
		}
		r.Close()
	}
}
