package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// topSymbols is how much of a profile is printed; perf report on the file shows the rest.
const topSymbols = 20

// profile records vxmesh while it sends and while it receives one TCP stream, and prints the
// symbols in which the time goes. Files are FILE.1 and so on, in the order of the pairs.
func profile(ctx context.Context, o options, pairs []*pair) error {
	if _, err := exec.LookPath("perf"); err != nil {
		return fmt.Errorf("%w (Debian: apt-get install linux-perf)", err)
	}
	for i, p := range pairs {
		if !p.tunnel.vxmesh {
			continue
		}
		file := fmt.Sprintf("%s.%d", o.profile, i+1)
		value, err := p.record(ctx, file, o.length)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		report, err := exec.CommandContext(ctx, "perf", "report", "--stdio", "--no-children",
			"-g", "none", "--percent-limit", "0.5", "--fields", "overhead,symbol", "-i", file).Output()
		if err != nil {
			return fmt.Errorf("perf report %s: %w", file, err)
		}
		fmt.Printf("%s: %.2f Gbit/s while recorded; more: perf report -i %s\n", p.name, value, file)
		printTop(string(report))
	}
	return nil
}

// record runs perf beside one TCP stream, for as long as that lasts.
func (p *pair) record(ctx context.Context, file string, length time.Duration) (float64, error) {
	args := []string{"record", "-q", "-g", "-F", "999", "-o", file}
	var pids []string
	for _, h := range []*host{p.from, p.to} {
		for _, program := range h.programs {
			pids = append(pids, strconv.Itoa(program.PID()))
		}
	}
	perf := exec.CommandContext(ctx, "perf", append(args, "-p", strings.Join(pids, ","))...)
	perf.Stderr = os.Stderr
	if err := perf.Start(); err != nil {
		return 0, fmt.Errorf("start perf: %w", err)
	}
	value, _, err := p.iperf(length, "-P 1")
	perf.Process.Signal(os.Interrupt)
	perf.Wait() // it ends by our signal, which is an error to it
	return value, err
}

func printTop(report string) {
	n := 0
	for line := range strings.Lines(report) {
		if n == topSymbols {
			break
		}
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			fmt.Println("  " + line)
			n++
		}
	}
	fmt.Println()
}
