package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A runner runs the tests of the package in dir.
type runner struct {
	dir      string
	limit    time.Duration
	parallel int
	work     string            // a directory for mutants
	replace  map[string]string // the package's files, by copies of how they were at the beginning
}

// run calls passed for the mutants that pass, one at a time, in any order.
func (r *runner) run(ctx context.Context, mutants []mutant, passed func(mutant)) error {
	work, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r.work = work
	if err := r.copyPackage(); err != nil {
		return err
	}
	// Were the tests red, or could they not be built, then every mutant would seem to be noticed.
	overlay, err := r.overlay("original", nil)
	if err != nil {
		return err
	}
	if ok, out, err := r.test(ctx, overlay); err != nil || !ok {
		return fmt.Errorf("test %s as it is: the tests fail\n%s", r.dir, out)
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.parallel)
	for i, m := range mutants {
		group.Go(func() error {
			ok, err := r.mutant(ctx, fmt.Sprint("mutant", i), m)
			if ok {
				mu.Lock()
				defer mu.Unlock()
				passed(m)
			}
			return err
		})
	}
	return group.Wait()
}

// copyPackage keeps the files as they are, so that they may be edited while the tests run.
func (r *runner) copyPackage() error {
	names, err := filepath.Glob(filepath.Join(r.dir, "*.go"))
	if err != nil {
		return err
	}
	r.replace = map[string]string{}
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		original, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		r.replace[original] = filepath.Join(r.work, filepath.Base(name))
		if err := os.WriteFile(r.replace[original], source, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// overlay writes what tells the go command to build the mutant, or the original.
func (r *runner) overlay(name string, m *mutant) (string, error) {
	replace := maps.Clone(r.replace)
	if m != nil {
		original, err := filepath.Abs(m.file)
		if err != nil {
			return "", err
		}
		replace[original] = filepath.Join(r.work, name+".go")
		if err := os.WriteFile(replace[original], m.source, 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(r.work, name+".json")
	return file, os.WriteFile(file, text, 0o600)
}

// mutant reports whether the tests pass with the mutant in its file's place.
func (r *runner) mutant(ctx context.Context, name string, m mutant) (bool, error) {
	overlay, err := r.overlay(name, &m)
	if err != nil {
		return false, err
	}
	ok, out, err := r.test(ctx, overlay)
	if strings.Contains(out, "[build failed]") {
		return false, fmt.Errorf("build mutant %s: %s", m, out)
	}
	return ok, err
}

// test runs the tests with an overlay, and reports whether they pass.
func (r *runner) test(ctx context.Context, overlay string) (bool, string, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-short", "-count=1", "-failfast", "-vet=off",
		"-ldflags=-s -w", "-timeout", r.limit.String(), "-overlay", overlay, ".")
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return false, string(out), ctx.Err()
	}
	return err == nil, string(out), err
}

// readAccepted reads a list of mutants that may pass: a line each, then a tab or more and the
// reason. What begins with # is a comment.
func readAccepted(name, only string) (map[string]bool, error) {
	accepted := map[string]bool{}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return accepted, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		mutant, reason, _ := strings.Cut(lines.Text(), "\t")
		if mutant == "" || mutant[0] == '#' || only != "" && !strings.HasPrefix(mutant, only+" ") {
			continue
		}
		if strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("read %s: %s is listed without a reason", name, mutant)
		}
		accepted[mutant] = true
	}
	return accepted, nil
}
