package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// options are the command line.
type options struct {
	rounds  int
	length  time.Duration // of one measurement
	pairs   string
	metrics string
	json    bool
	profile string
	binary  string
}

func parseOptions(args []string) (options, error) {
	var o options
	quick := false
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 4, "rounds; every second one runs in the opposite order")
	f.DurationVar(&o.length, "time", 3*time.Second, "length of one measurement")
	f.BoolVar(&quick, "quick", false, "one round of one second each: a look, not a result")
	f.StringVar(&o.pairs, "pairs", "", "only pairs whose names contain `TEXT`")
	f.StringVar(&o.metrics, "metrics", "", "only metrics whose names contain `TEXT`")
	f.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	f.StringVar(&o.profile, "profile", "", "record vxmesh with perf into `FILE`, print where the "+
		"time of one TCP stream each way goes, and measure nothing else")
	f.StringVar(&o.binary, "binary", "", "measure the program `FILE` instead of building it")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if quick {
		o.rounds, o.length = 1, time.Second
	}
	if o.rounds < 1 || o.length < time.Second {
		return o, errors.New("at least one round of one second")
	}
	return o, nil
}

func main() {
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run builds the program and the networks, measures, and prints.
func run(ctx context.Context, o options) error {
	for _, tool := range []string{"ip", "iperf3", "ethtool", "ping"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w (Debian: apt-get install iproute2 iperf3 ethtool iputils-ping)", err)
		}
	}
	work, err := os.MkdirTemp("", "vxmesh-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if o.binary == "" {
		o.binary = filepath.Join(work, "vxmesh")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", o.binary, "./cmd/vxmesh")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build vxmesh: %w\n%s", err, out)
		}
	}
	networks, pairs, err := buildPairs(o, work)
	defer func() {
		for _, n := range networks {
			n.close()
		}
	}()
	if err != nil {
		return err
	}
	if o.profile != "" {
		return profile(ctx, o, pairs)
	}
	r := newReport(o)
	r.Off = offloadsOff(pairs)
	if err := measureAll(ctx, o, pairs, r); err != nil {
		return err
	}
	if o.json {
		return r.writeJSON(os.Stdout)
	}
	return r.writeTable(os.Stdout)
}

// measureAll turns the order of the pairs round with each round.
func measureAll(ctx context.Context, o options, pairs []*pair, r *report) error {
	defer progress("")
	for round := range o.rounds {
		if round > 0 {
			slices.Reverse(pairs)
		}
		for _, m := range metrics {
			if !strings.Contains(m.Name, o.metrics) {
				continue
			}
			progress("round %d of %d: %s", round+1, o.rounds, m.Name)
			if err := measureEach(ctx, m, o.length, pairs, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureEach takes one metric of every pair in turn, so that the figures that are compared were
// taken seconds apart.
func measureEach(
	ctx context.Context, m metric, length time.Duration, pairs []*pair, r *report,
) error {
	for _, p := range pairs {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if err := measure(p, m, length, r); err != nil {
			return fmt.Errorf("%s: %s: %w", p.name, m.Name, err)
		}
	}
	return nil
}

func measure(p *pair, m metric, length time.Duration, r *report) error {
	cpu := p.cpu()
	value, bytes, err := m.measure(p, length)
	if err != nil {
		return err
	}
	r.add(p.name, m, value)
	if m.withCPU && p.runsVxmesh() {
		r.add(p.name, cpuPerGB, (p.cpu()-cpu).Seconds()/(bytes/1e9))
	}
	return nil
}

// progress overwrites one line of the terminal, if there is one.
func progress(format string, args ...any) {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
	}
}
