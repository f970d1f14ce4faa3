package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestProblems compares the whole text of what is wrong with each testdata/*.toml with the .want
// beside it. UPDATE_GOLDEN=1 writes the texts anew; read them before committing.
func TestProblems(t *testing.T) {
	wantProblems(t, "testdata/*.toml", func(name string, text []byte) error {
		_, err := Parse(name, text)
		return err
	})
}

// wantProblems compares what a parser reports of the files that a pattern matches.
func wantProblems(t *testing.T, pattern string, parse func(name string, text []byte) error) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text := read(t, file)
			err = parse(filepath.Base(file), []byte(text))
			got, ok := errors.AsType[Errors](err)
			if !ok {
				t.Fatalf("Parse: %v, want Errors", err)
			}
			checkPositions(t, text, got)
			golden := strings.TrimSuffix(file, ".toml") + ".want"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				write(t, golden, got.Error()+"\n")
			}
			if diff := cmp.Diff(read(t, golden), got.Error()+"\n"); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// checkPositions fails when a problem is not inside the text or they are out of order.
func checkPositions(t *testing.T, text string, problems Errors) {
	t.Helper()
	lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	last := Problem{Line: 1, Col: 1}
	for _, p := range problems {
		if p.Line < 1 || p.Line > len(lines) {
			t.Fatalf("line %d of %d: %s", p.Line, len(lines), p)
		}
		if n := len([]rune(lines[p.Line-1])); p.Col < 1 || p.Col > n+1 {
			t.Fatalf("column %d of %d: %s", p.Col, n, p)
		}
		if p.Message == "" || strings.Contains(p.Message, "\n") {
			t.Fatalf("message %q is not one line", p.Message)
		}
		if p.Line < last.Line || p.Line == last.Line && p.Col < last.Col {
			t.Fatalf("%d:%d after %d:%d", p.Line, p.Col, last.Line, last.Col)
		}
		last = p
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.toml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none.toml") {
		t.Errorf("Load of a missing file: %v", err)
	}
	path := filepath.Join(t.TempDir(), "home.toml")
	write(t, path, "x = 1\n")
	_, err = Load(path)
	var problems Errors
	if !errors.As(err, &problems) || problems[0].File != path {
		t.Errorf("Load of a bad file: %v", err)
	}
}

func TestParseRefusesHugeFiles(t *testing.T) {
	_, err := Parse("big.toml", []byte(strings.Repeat("# 3456789\n", maxSize/10+1)))
	want := "big.toml:1:1: error: the file is larger than 1 MiB; is it the right one?"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %.200v", err)
	}
}

// TestDeepNestingIsRefused gives every way to nest tables and lists, at the limit and one deeper.
// 20,000 levels would keep the decoder busy for minutes.
func TestDeepNestingIsRefused(t *testing.T) {
	nest := func(before, open, inner, shut string) func(int) string {
		return func(n int) string {
			return before + strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
		}
	}
	for name, text := range map[string]func(int) string{
		"lists":             nest("a = ", "[", "1", "]"),
		"lists over lines":  nest("a = ", "[\n", "", "]"),
		"tables":            nest("a = ", "{a=", "1", "}"),
		"a dotted key":      nest("a", ".a", " = 1", ""),
		"dotted in tables":  func(n int) string { return nest("a = ", "{a.a=", "1", "}")(n / 2) },
		"a dotted header":   func(n int) string { return nest("[a", ".a", "]", "")(n - 1) },
		"lists of tables":   func(n int) string { return nest("[[a", ".a", "]]", "")(n - 2) },
		"beside strings":    nest("# [\na = '['\nb = \"\\\"[\"\nc = ", "[", "", "]"),
		"after a long text": nest("a = \"\"\"\n[[\"\"\"\"\"\nc = ", "[", "", "]"),
	} {
		const want = "tables and lists are nested more than 64 deep"
		if d, _ := parse("x", []byte(text(maxDepth))); strings.Contains(d.problems.Error(), want) {
			t.Errorf("%s: %d levels are refused", name, maxDepth)
		}
		for _, n := range []int{maxDepth + 2, 20_000} {
			d, cfg := parse("x", []byte(text(n)))
			if cfg != nil || !strings.Contains(d.problems.Error(), want) {
				t.Errorf("%s: %d levels: %.200v", name, n, d.problems)
			}
		}
	}
}

func TestParseTakesByteOrderMarkAndCRLF(t *testing.T) {
	text := "\ufeff[network]\r\nname = \"home\"\r\n[[segments]]\r\nvni = 1\r\n[segments.vxlan]\r\n" +
		"remotes = [\"192.0.2.7\"]\r\n"
	cfg, err := Parse("x", []byte(text))
	if err != nil || cfg.Segments[0].VNI != 1 {
		t.Fatalf("Parse: %v, %v", cfg, err)
	}
	_, err = Parse("x", []byte(text+"tll = 1\r\n"))
	want := "x:7:1: error: unknown key \"tll\" in [segments.vxlan]\n" +
		"   6 | remotes = [\"192.0.2.7\"]\n   7 | tll = 1\n     | ^^^ did you mean \"ttl\"?"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func FuzzParse(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := Parse("fuzz.toml", []byte(text))
		if err == nil {
			again, err := Parse("show.toml", []byte(cfg.Show()))
			if err != nil {
				t.Fatalf("what Show wrote is refused: %v\n%s", err, cfg.Show())
			}
			if diff := cmp.Diff(cfg, again, equate); diff != "" {
				t.Fatalf("Show lost something (-before +after):\n%s", diff)
			}
			return
		}
		var problems Errors
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("error is %T: %v", err, err)
		}
		checkPositions(t, text, problems)
		_ = err.Error()
	})
}

func addSeeds(f *testing.F) {
	f.Helper()
	f.Add(Example())
	f.Add(fullText)
	files, _ := filepath.Glob("testdata/*.toml")
	for _, file := range files {
		f.Add(read(f, file))
	}
	for _, s := range []string{
		"a = '''\n'''''\nb = 1", "\"a\\u0062\" = 1", "a.'b.c'.\"\" = [[1,2],[{x=1}]]",
		"x = {a = 1, # c\n b = [1,\n2]}", "[a]\n[[a.b]]\n[a.b.c]\n[[a.b]]", "d = 1979-05-27 07:32:00 # x",
		"s = \"\"\"\\\n  a\"\"\"\"\"", "a=1\r\n[b]\r\nc=2", "segments = [[1]]", "[segments]\nfdb=1",
	} {
		f.Add(s)
	}
}

// TestLoadPart wants what is asked for to be right, and nothing else.
func TestLoadPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home.toml")
	const text = "[network]\nname = \"home\"\nstate = \"/srv\"\n" +
		"[security]\nidentity = \"nas.key\"\n[[peers]]\nkey = \"\"\n"
	write(t, path, text)
	cfg, err := LoadPart(path, "network", "security")
	if err != nil || cfg.Network.State != "/srv" || cfg.Security.Identity != "nas.key" {
		t.Errorf("%+v, %v", cfg, err)
	}
	for _, wrong := range []string{
		strings.Replace(text, "home", "Home", 1),
		strings.Replace(text, "nas.key", "a/nas.key", 1),
		strings.Replace(text, "[network]", "[network", 1),
		strings.Replace(text, "name =", "nam =", 1),
	} {
		write(t, path, wrong)
		cfg, err := LoadPart(path, "network", "security")
		problems, ok := errors.AsType[Errors](err)
		if !ok || len(problems) != 1 || cfg != nil {
			t.Errorf("%s\n%+v, %v", wrong, cfg, err)
		}
	}
	if _, err := LoadPart(path+"x", "network"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
