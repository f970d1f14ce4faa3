package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// measureAll turns the order of the pairs round with each round.
func measureAll(ctx context.Context, o options, pairs []*pair, r *report) error {
	defer progress("")
	for round := range o.rounds {
		if round > 0 {
			slices.Reverse(pairs)
		}
		for _, m := range metrics {
			if !strings.Contains(m.Name, o.metrics) || (m.onWire && !o.single()) || m.junk != (o.junk > 0) {
				continue
			}
			if err := measureEach(ctx, o, m, round, pairs, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureEach takes one metric of every pair in turn, so that the figures that are compared were
// taken seconds apart. What a tunnel of others cannot do is written down, and the run goes on.
func measureEach(
	ctx context.Context, o options, m metric, round int, pairs []*pair, r *report,
) error {
	for _, p := range pairs {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if !m.fits(p) {
			continue
		}
		progress("round %d of %d: %s: %s", round+1, o.rounds, m.Name, p.name)
		err := measure(o, p, m, round, r)
		if err != nil {
			err = fmt.Errorf("%s, round %d: %w", m.Name, round+1, err)
		}
		if err != nil && !p.tunnel.rival {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err != nil {
			leaveOut(r, p.name, err)
		}
	}
	return nil
}

func measure(o options, p *pair, m metric, round int, r *report) (err error) {
	var g *gauge
	if o.single() {
		if g, err = newGauge(p.to, o.loss); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, g.close()) }()
	}
	cpu := p.cpu()
	value, bytes, err := m.measure(p, o.length)
	if err == nil && m.onWire {
		value, err = g.share(bytes)
	}
	if err != nil {
		return err
	}
	r.add(p.name, m, round, value)
	if m.withCPU && p.hasPrograms() {
		r.add(p.name, cpuPerGB, round, (p.cpu()-cpu).Seconds()/(bytes/1e9))
	}
	return nil
}

// leaveOut also says so at once, since a run takes a while.
func leaveOut(r *report, pair string, err error) {
	r.leaveOut(pair, err)
	progress("")
	fmt.Fprintf(os.Stderr, "bench: left out: %s: %v\n", pair, err)
}

// progress overwrites one line of the terminal, if there is one.
func progress(format string, args ...any) {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
	}
}
