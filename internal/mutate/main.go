// Command mutate tells which conditions of a package no test depends on:
//
//	go run ./internal/mutate ./tunnel/session
//
// It makes each condition in turn always true, always false, and the opposite, runs the package's
// tests against each of these mutants, and lists those that pass. A check that can be taken out or
// turned round unnoticed is one that will be, by mistake. Mutants that cannot be told from the
// original are listed with the reason in testdata/mutants.txt of their package. It exits with 1
// when a mutant passes that is not listed, or when one is listed that does not pass.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	limit := flag.Duration("timeout", 30*time.Second, "how long the tests may take before they fail")
	file := flag.String("file", "", "only the conditions of this file")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: mutate [-timeout 30s] [-file NAME] PACKAGE-DIRECTORY")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := mutate(ctx, flag.Arg(0), *file, *limit)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
	}
	if err != nil || !ok {
		stop()
		os.Exit(1)
	}
}

// mutate reports whether exactly the accepted mutants of the package in dir pass its tests.
func mutate(ctx context.Context, dir, only string, limit time.Duration) (bool, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return false, err
	}
	mutants, err := find(names, only)
	if err != nil {
		return false, err
	}
	if len(mutants) == 0 {
		return false, fmt.Errorf("find conditions in %s: there are none", dir)
	}
	accepted, err := readAccepted(filepath.Join(dir, "testdata", "mutants.txt"), only)
	if err != nil {
		return false, err
	}
	r := runner{dir: dir, limit: limit, parallel: runtime.NumCPU()}
	passing, unexpected := 0, 0
	err = r.run(ctx, mutants, func(m mutant) {
		passing++
		if !accepted[m.String()] {
			fmt.Printf("%s:%d: passes: %s\n", m.file, m.line, m)
			unexpected++
		}
		delete(accepted, m.String())
	})
	if err != nil {
		return false, err
	}
	for name := range accepted {
		fmt.Printf("listed and does not pass, or is not there: %s\n", name)
	}
	fmt.Printf("%d mutants, %d pass, %d of them unexpected\n", len(mutants), passing, unexpected)
	return unexpected == 0 && len(accepted) == 0, nil
}
