package main_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// alone are the packages whose tests `make unit` runs without the race detector.
func alone(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^ALONE := ((?:.*\\\n)*.*)$`).FindSubmatch(text)
	if list == nil {
		t.Fatal("the Makefile has no list ALONE")
	}
	return strings.Fields(strings.NewReplacer("\\\n", " ", "./", "").Replace(string(list[1])))
}

// startsGoroutine tells what in a file starts one, or "".
func startsGoroutine(f *ast.File) (how string) {
	for _, p := range imports(f) {
		if p == "testing/synctest" || p == "golang.org/x/sync/errgroup" {
			how = p
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			how = "a go statement"
		case *ast.SelectorExpr:
			switch n.Sel.Name {
			case "Go", "Parallel", "RunParallel", "AfterFunc", "NewServer":
				how = n.Sel.Name
			}
		}
		return true
	})
	return how
}

// TestLayoutAlone: where a goroutine is started, the race detector looks.
func TestLayoutAlone(t *testing.T) {
	patterns, found := alone(t), map[string]bool{}
	for _, s := range readTree(t) {
		for _, p := range patterns {
			if !matches(p, s.pkg) {
				continue
			}
			found[p] = true
			if how := startsGoroutine(s.file); how != "" {
				t.Errorf("%s starts goroutines (%s): take %s out of the Makefile's ALONE", s.name, how, s.pkg)
			}
		}
	}
	for _, p := range patterns {
		if !found[p] {
			t.Errorf("there is no %s, of the Makefile's ALONE", p)
		}
	}
}
