package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// build makes the program and its pages once.
func build(t *testing.T) (program, dir string) {
	t.Helper()
	program, dir = filepath.Join(t.TempDir(), "vxmesh.exe"), t.TempDir()
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/vxmesh").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := generate(program, "../../packaging/man/vxmesh.toml.5", dir, time.Unix(0, 0).UTC()); err != nil {
		t.Fatal(err)
	}
	return program, dir
}

func TestPages(t *testing.T) {
	program, dir := build(t)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		checkPage(t, f, string(text))
	}
	text, err := os.ReadFile(filepath.Join(dir, "vxmesh-peer-show.1"))
	for _, want := range []string{"vxmesh peer show", "NAME|ID", "EXAMPLES", "vxmesh\\-peer(1)", `"1970-01-01"`} {
		if !strings.Contains(strings.ReplaceAll(string(text), "vxmesh-peer(1)", "vxmesh\\-peer(1)"), want) {
			t.Errorf("vxmesh-peer-show.1 (%v) has no %s:\n%s", err, want, text)
		}
	}
	checkKeys(t, program, filepath.Join(dir, "vxmesh.toml.5"))
}

// macro is what a line may begin with that is a command.
var macro = regexp.MustCompile(`^\.(TH|SH|SS|TP|PP|nf|fi|RS|RE|IP|B|I|\\")( |$)`)

// checkPage has groff read a page where it is installed, and looks at the basics anywhere.
func checkPage(t *testing.T, file, text string) {
	t.Helper()
	for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"} {
		bare := strings.HasSuffix(file, "help.1") || section == "EXAMPLES" && !strings.Contains(text, "EXAMPLES")
		if !bare && !strings.Contains(text, "\n.SH "+section+"\n") {
			t.Errorf("%s has no %s", file, section)
		}
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); strings.HasPrefix(line, ".") && !macro.MatchString(line) {
			t.Errorf("%s: no macro: %s", file, line)
		}
	}
	if _, err := exec.LookPath("man"); err != nil {
		return
	}
	c := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", file)
	c.Env = append(os.Environ(), "MANWIDTH=100", "LC_ALL=C.UTF-8")
	var warnings strings.Builder
	c.Stderr = &warnings
	if err := c.Run(); err != nil || warnings.Len() > 0 {
		t.Errorf("%s: %v\n%s", file, err, warnings.String())
	}
}

// checkKeys wants every key in the page that a file has with all defaults written out.
func checkKeys(t *testing.T, program, file string) {
	t.Helper()
	example, err := exec.Command(program, "config", "example").Output()
	if err != nil {
		t.Fatal(err)
	}
	show := exec.Command(program, "config", "show", "-")
	show.Stdin = strings.NewReader(string(example))
	all, err := show.Output()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(all)) {
		key, _, ok := strings.Cut(line, " = ")
		if ok && !strings.Contains(string(page), "\n.B "+escape(key)+"\n") {
			t.Errorf("no key %s in the page", key)
		}
	}
}

func TestReleased(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "v1.2.3", "v1.2.3-rc.1": "v1.2.3-rc.1", "(devel)": "(devel)", "v1.2.3+dirty": "v1.2.3",
		"v0.0.0-20261129131655-6205561b20f4+dirty":  "v0.0.0",
		"v1.2.4-0.20261129131655-6205561b20f4":      "v1.2.4",
		"v1.2.3-rc.1.0.20261129131655-6205561b20f4": "v1.2.3-rc.1.0",
	} {
		if got := released.ReplaceAllString(version, ""); got != want {
			t.Errorf("%s: got %s, want %s", version, got, want)
		}
	}
}

func TestCutComment(t *testing.T) {
	value, comment := cutComment(`["a#b"]  # "what" it is`)
	if value != `["a#b"]` || comment != `"what" it is` {
		t.Errorf("%q, %q", value, comment)
	}
}
