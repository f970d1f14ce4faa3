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
	"regexp"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	rounds  int
	length  time.Duration // of one measurement
	pairs   *regexp.Regexp
	metrics string
	json    bool
	profile string
	binary  string
	wire    bool
	loss    float64 // per cent
	junk    int     // thousands a second
}

const (
	// maxLoss is where a link is no link any more.
	maxLoss = 50
	// maxJunk is what one thread can send.
	maxJunk = 1000
)

// single says that every datagram is to be a packet of its own on the cable.
func (o *options) single() bool { return o.wire || o.loss > 0 }

func parseOptions(args []string) (options, error) {
	var o options
	quick, names := false, ""
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 4, "rounds; every second one runs in the opposite order")
	f.DurationVar(&o.length, "time", 3*time.Second, "length of one measurement")
	f.BoolVar(&quick, "quick", false, "one round of one second each: a look, not a result")
	f.StringVar(&names, "pairs", "", "only pairs whose names match `REGEXP`")
	f.StringVar(&o.metrics, "metrics", "", "only metrics whose names contain `TEXT`")
	f.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	f.BoolVar(&o.wire, "wire", false, "turn the cable's offloads off, so that every datagram is a "+
		"packet, and count what share of the packets' bytes is TCP payload")
	f.Float64Var(&o.loss, "loss", 0, "lose `PERCENT` of the outer datagrams; implies -wire")
	f.IntVar(&o.junk, "junk", 0, "flood the receiving host with so many `THOUSAND` datagrams of junk a second, "+
		"and measure one TCP stream beside them")
	f.StringVar(&o.profile, "profile", "", "record vxmesh with perf into `FILE`, print where the "+
		"time of one TCP stream each way goes, and measure nothing else")
	f.StringVar(&o.binary, "binary", "", "measure the program `FILE` instead of building it")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.pairs, err = regexp.Compile(names); err != nil {
		return o, fmt.Errorf("-pairs: %w", err)
	}
	if quick {
		o.rounds, o.length = 1, time.Second
	}
	if o.rounds < 1 || o.length < time.Second {
		return o, errors.New("at least one round of one second")
	}
	if !(o.loss >= 0 && o.loss <= maxLoss) { // nor is it NaN
		return o, fmt.Errorf("-loss is a percentage from 0 to %d", maxLoss)
	}
	if o.junk < 0 || o.junk > maxJunk {
		return o, fmt.Errorf("-junk is from 0 to %d thousand a second", maxJunk)
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
	if err := o.checkNFT(); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "vxmesh-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if o.binary == "" {
		o.binary = filepath.Join(work, "vxmesh")
		if err := goBuild(ctx, o.binary, "./cmd/vxmesh"); err != nil {
			return err
		}
	}
	r := newReport(o)
	b := &builder{ctx: ctx, options: o, work: work, report: r}
	defer b.close()
	if err := b.build(); err != nil {
		return err
	}
	if o.profile != "" {
		return profile(ctx, o, b.pairs)
	}
	r.Off = offloadsOff(b.pairs)
	if err := measureAll(ctx, o, b.pairs, r); err != nil {
		return err
	}
	if o.json {
		return r.writeJSON(os.Stdout)
	}
	return r.writeTable(os.Stdout)
}

// goBuild builds a program of this repository.
func goBuild(ctx context.Context, file, pkg string) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", file, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// checkNFT looks for the tool that counts and loses packets, where that is wanted.
func (o *options) checkNFT() error {
	if !o.single() {
		return nil
	}
	if _, err := exec.LookPath("nft"); err != nil {
		return fmt.Errorf("%w (Debian: sudo make bench-deps)", err)
	}
	return nil
}
