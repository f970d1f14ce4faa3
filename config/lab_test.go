package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLabProblems(t *testing.T) {
	wantProblems(t, "testdata/lab/*.toml", func(name string, text []byte) error {
		_, err := ParseLab(name, text)
		return err
	})
}

// TestLabExample: the example is valid, and what it says of defaults is true.
func TestLabExample(t *testing.T) {
	lab, err := ParseLab("example", []byte(LabExample()))
	if err != nil {
		t.Fatal(err)
	}
	if len(lab.Sites) != 2 || len(lab.Nodes) != 3 || !lab.Nodes[0].Relay || lab.Sites[0].Line.Delay != 8*time.Millisecond {
		t.Errorf("%+v", lab)
	}
	var all []string // with the defaults in force
	for line := range strings.Lines(LabExample()) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
		}
		all = append(all, line)
	}
	if written, err := ParseLab("example", []byte(strings.Join(all, ""))); err != nil || written.Sites[0] != lab.Sites[0] {
		t.Errorf("the defaults: %v\n%+v\n%+v", err, written, lab)
	}
}

// TestLabNATs: every kind of NAT can be written.
func TestLabNATs(t *testing.T) {
	for _, kind := range NATs() {
		text := strings.ReplaceAll(LabExample(), `#nat = "port-restricted"`, `nat = "`+kind+`"`)
		if lab, err := ParseLab(kind, []byte(text)); err != nil || string(lab.Sites[0].NAT) != kind {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestLoadLab(t *testing.T) {
	if _, err := LoadLab(filepath.Join(t.TempDir(), "none.toml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(t.TempDir(), "lab.toml")
	write(t, path, LabExample())
	if _, err := LoadLab(path); err != nil {
		t.Error(err)
	}
	write(t, path, strings.Repeat("#\n", maxSize))
	if _, err := LoadLab(path); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestLabMany(t *testing.T) {
	text := strings.Repeat("[[nodes]]\n", maxLabNodes+1) + strings.Repeat("[[sites]]\n", maxLabSites+1)
	_, err := ParseLab("many", []byte(text))
	for _, want := range []string{"nodes: 65 are too many: 64 at most", "sites: 65 are too many: 64 at most"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

func FuzzLab(f *testing.F) {
	f.Add(LabExample())
	files, err := filepath.Glob("testdata/lab/*.toml")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		f.Add(read(f, file))
	}
	f.Fuzz(func(t *testing.T, text string) {
		lab, err := ParseLab("fuzz", []byte(text))
		if problems, ok := errors.AsType[Errors](err); ok {
			checkPositions(t, text, problems)
		} else if err != nil || len(lab.Nodes) == 0 {
			t.Errorf("%+v, %v", lab, err)
		}
	})
}
