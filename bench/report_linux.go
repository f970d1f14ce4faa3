package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// The pairs that the others are compared with.
const (
	baseOn  = "kernel -> kernel"
	baseOff = "kernel -> kernel, offloads off"
)

// A report is everything that one run has measured.
type report struct {
	Schema  string    `json:"schema"`
	Kernel  string    `json:"kernel"`
	CPUs    int       `json:"cpus"`
	Load    float64   `json:"load_before"` // the load average of the minute before
	Rounds  int       `json:"rounds"`
	Seconds float64   `json:"seconds"`
	Off     string    `json:"offloads_off"`
	Results []*result `json:"results"`
}

// A result is one metric of one pair: a sample for each round.
type result struct {
	Pair    string    `json:"pair"`
	Metric  string    `json:"metric"`
	Unit    string    `json:"unit"`
	Samples []float64 `json:"samples"`
	Median  float64   `json:"median"`

	// The median over the rounds of this figure divided by the base pair's of the same round;
	// 0 where the base was not measured.
	RatioOn  float64 `json:"ratio_to_offloads_on,omitempty"`
	RatioOff float64 `json:"ratio_to_offloads_off,omitempty"`
}

func newReport(o options) *report {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	return &report{
		Schema: "vxmesh.bench/1", Kernel: strings.TrimSpace(string(kernel)),
		CPUs: runtime.NumCPU(), Load: loadAverage(), Rounds: o.rounds, Seconds: o.length.Seconds(),
		Results: []*result{},
	}
}

// loadAverage is 0 where the kernel does not tell.
func loadAverage() (load float64) {
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Sscan(string(text), &load)
	}
	return load
}

func (r *report) find(pair, metric string) *result {
	for _, res := range r.Results {
		if res.Pair == pair && res.Metric == metric {
			return res
		}
	}
	return nil
}

func (r *report) add(pair string, m metric, value float64) {
	res := r.find(pair, m.Name)
	if res == nil {
		res = &result{Pair: pair, Metric: m.Name, Unit: m.Unit}
		r.Results = append(r.Results, res)
	}
	res.Samples = append(res.Samples, value)
}

// finish works out medians and ratios and puts the results in the order in which they are read.
func (r *report) finish() {
	var sorted []*result
	for _, m := range append(slices.Clone(metrics), cpuPerGB) {
		for _, name := range []string{
			baseOn, baseOff, "vxmesh -> kernel", "kernel -> vxmesh", "vxmesh -> vxmesh",
		} {
			if res := r.find(name, m.Name); res != nil {
				res.Median = median(res.Samples)
				res.RatioOn = ratio(res, r.find(baseOn, m.Name))
				res.RatioOff = ratio(res, r.find(baseOff, m.Name))
				sorted = append(sorted, res)
			}
		}
	}
	r.Results = sorted
}

func median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// ratio compares samples of the same round, so that what slows the machine down for a while slows
// both sides of it down.
func ratio(res, base *result) float64 {
	if base == nil {
		return 0
	}
	ratios := make([]float64, 0, len(res.Samples))
	for i, v := range res.Samples {
		ratios = append(ratios, v/base.Samples[i])
	}
	return median(ratios)
}

func (r *report) writeJSON(w io.Writer) error {
	r.finish()
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r *report) writeTable(w io.Writer) error {
	r.finish()
	fmt.Fprintf(w, "Linux %s, %d CPUs; %d rounds of %.0f s, orders alternating.\n",
		r.Kernel, r.CPUs, r.Rounds, r.Seconds)
	if r.Load >= 1 {
		fmt.Fprintf(w, "The machine was busy before (load %.1f): do not trust these figures.\n", r.Load)
	}
	if r.Off != "" {
		fmt.Fprintf(w, "Offloads off, in both namespaces: %s.\n", r.Off)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	metric := ""
	for _, res := range r.Results {
		if res.Metric != metric {
			metric = res.Metric
			fmt.Fprintf(tw, "\n%s (%s)\tmedian\tspread\tto offloads on\tto offloads off\n",
				metric, res.Unit)
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s - %s\t%s\t%s\n", res.Pair, figure(res.Median),
			figure(slices.Min(res.Samples)), figure(slices.Max(res.Samples)),
			times(res.RatioOn), times(res.RatioOff))
	}
	return tw.Flush()
}

func figure(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func times(ratio float64) string {
	if ratio == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", ratio)
}
