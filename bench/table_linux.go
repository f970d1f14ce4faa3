package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

func (r *report) writeJSON(w io.Writer) error {
	r.finish()
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// writeTable writes what was measured under which conditions, what was not, and the figures.
func (r *report) writeTable(w io.Writer) error {
	r.finish()
	r.writeConditions(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(tw, "\nMeasured\tlayer\tMTU\tprotection\tversion\n")
	for _, d := range r.Pairs {
		fmt.Fprintf(tw, "  %s\t%d\t%d\t%s\t%s\n", d.Pair, d.Layer, d.MTU, d.Seal, cmp.Or(d.Version, "-"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if len(r.Left) > 0 {
		fmt.Fprint(w, "\nLeft out\n")
	}
	for _, l := range r.Left {
		first, _, _ := strings.Cut(l.Reason, "\n")
		fmt.Fprintf(w, "  %s: %s\n", l.Pair, first)
	}
	return r.writeResults(w)
}

func (r *report) writeConditions(w io.Writer) {
	fmt.Fprintf(w, "Linux %s, %d CPUs; %d rounds of %.0f s, orders alternating.\n",
		r.Kernel, r.CPUs, r.Rounds, r.Seconds)
	if r.Load >= 1 {
		fmt.Fprintf(w, "The machine was busy before (load %.1f): do not trust these figures.\n", r.Load)
	}
	if r.Off != "" {
		fmt.Fprintf(w, "Offloads off, in both namespaces: %s.\n", r.Off)
	}
	if r.Single {
		fmt.Fprintln(w, "The cable's offloads are off: every datagram is a packet of its own.")
	}
	if r.Loss > 0 {
		fmt.Fprintf(w, "%g %% of the outer datagrams towards the receiver are lost.\n", r.Loss)
	}
}

// writeResults writes a table for each metric, with a column for each base that was measured.
func (r *report) writeResults(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	metric := ""
	for _, res := range r.Results {
		if res.Metric != metric {
			metric = res.Metric
			fmt.Fprintf(tw, "\n%s (%s)\tmedian\tspread%s\n", metric, res.Unit,
				r.columns(metric, func(pair, column string) string { return column }))
		}
		s := res.Spread
		fmt.Fprintf(tw, "  %s\t%s\t%s - %s%s\n", res.Pair, figure(s.Median), figure(s.Min),
			figure(s.Max), r.columns(metric, func(pair, _ string) string { return res.times(pair) }))
	}
	return tw.Flush()
}

// columns fills a cell for each base that has this metric.
func (r *report) columns(metric string, cell func(pair, column string) string) string {
	var text strings.Builder
	for _, base := range bases {
		if r.find(base.pair, metric) != nil {
			text.WriteString("\t" + cell(base.pair, base.column))
		}
	}
	return text.String()
}

func figure(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// times is the ratio to a base with its spread, where there are several rounds.
func (res *result) times(base string) string {
	s, found := res.Ratios[base]
	switch {
	case !found:
		return "-"
	case res.Pair == base:
		return "1"
	case s.Min == s.Max:
		return ratioFigure(s.Median)
	}
	return fmt.Sprintf("%s (%s - %s)", ratioFigure(s.Median), ratioFigure(s.Min), ratioFigure(s.Max))
}

func ratioFigure(v float64) string {
	if v < 0.1 {
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
