package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const source = `package p

func f(a, b int, c bool) bool {
	if a < b && !c {
		return true
	}
	for a != b {
		a++
	}
	switch {
	case (c):
		return a == b
	}
	return c || a > 1
}
`

func TestMutants(t *testing.T) {
	mutants, err := mutantsOf("p.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, m := range mutants {
		got[m.String()] = true
		if _, err := mutantsOf("p.go", m.source); err != nil {
			t.Errorf("%s does not parse: %v", m, err)
		}
	}
	want := []string{
		"a < b | always true", "a < b | always false", "a < b | opposite",
		"!c | always true", "!c | always false", "!c | opposite", "a < b && !c | always true",
		"a != b | always false",
		"c | always true", "c | always false", "c | opposite",
		"a == b | always true", "a == b | always false", "a == b | opposite",
		"a > 1 | always true", "a > 1 | always false", "a > 1 | opposite",
		"c || a > 1 | always false",
	}
	for _, w := range want {
		if !got["p.go | f | "+w] {
			t.Errorf("no mutant %s", w)
		}
		delete(got, "p.go | f | "+w)
	}
	for g := range got {
		t.Errorf("a mutant too many: %s", g)
	}
}

// module writes a module with one package.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.net/p\n\ngo 1.26\n"
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMutate(t *testing.T) {
	const code = "package p\n\nfunc small(n int) bool { return n < 10 }\n"
	const tests = `package p

import "testing"

func TestSmall(t *testing.T) {
	if !small(1) LARGE {
		t.Error("wrong")
	}
}
`
	weak := strings.ReplaceAll(tests, "LARGE", "")
	listed := "# equal\np.go | small | n < 10 | always true\tnobody asks with more\n"
	for name, c := range map[string]struct {
		files map[string]string
		ok    bool
		err   string
	}{
		"all are noticed": {map[string]string{
			"p.go": code, "p_test.go": strings.ReplaceAll(tests, "LARGE", "|| small(10)"),
		}, true, ""},
		"one passes": {map[string]string{"p.go": code, "p_test.go": weak}, false, ""},
		"it is listed": {map[string]string{
			"p.go": code, "p_test.go": weak, "testdata/mutants.txt": listed,
		}, true, ""},
		"without a reason": {map[string]string{
			"p.go": code, "p_test.go": weak, "testdata/mutants.txt": "p.go | small | x\n",
		}, false, "without a reason"},
		"listed and noticed": {map[string]string{
			"p.go": code, "p_test.go": weak,
			"testdata/mutants.txt": listed + "p.go | small | n < 10 | always false\tnone\n",
		}, false, ""},
		"the tests fail": {map[string]string{
			"p.go": code, "p_test.go": strings.ReplaceAll(tests, "LARGE", "|| small(1)"),
		}, false, "the tests fail"},
		"there is no choice": {map[string]string{"p.go": "package p\n"}, false, "there are none"},
	} {
		t.Run(name, func(t *testing.T) {
			ok, err := mutate(context.Background(), module(t, c.files), "", time.Minute)
			if ok != c.ok || (err == nil) != (c.err == "") {
				t.Errorf("%v, %v", ok, err)
			}
			if err != nil && !strings.Contains(err.Error(), c.err) {
				t.Error(err)
			}
		})
	}
}
