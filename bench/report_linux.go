package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// The pairs that the others are compared with.
const (
	baseOn        = "kernel -> kernel"
	baseOff       = "kernel -> kernel, offloads off"
	baseWireGuard = "wireguard-go"
)

// bases are these pairs in the order of the columns.
var bases = []struct{ pair, column string }{
	{baseOn, "to the kernel"},
	{baseOff, "to offloads off"},
	{baseWireGuard, "to wireguard-go"},
}

// A report is everything that one run has measured.
type report struct {
	Schema  string        `json:"schema"`
	Kernel  string        `json:"kernel"`
	CPUs    int           `json:"cpus"`
	Load    float64       `json:"load_before"` // the load average of the minute before
	Rounds  int           `json:"rounds"`
	Seconds float64       `json:"seconds"`
	Off     string        `json:"offloads_off"`          // in the pairs without offloads
	Single  bool          `json:"underlay_offloads_off"` // every datagram a packet
	Loss    float64       `json:"loss_percent"`
	Pairs   []description `json:"pairs"`
	Left    []omission    `json:"left_out"`
	Results []*result     `json:"results"`
}

// A description says what a pair is.
type description struct {
	Pair    string `json:"pair"`
	Layer   int    `json:"layer"`
	MTU     int    `json:"mtu"`
	Seal    string `json:"seal"`
	Version string `json:"version,omitempty"`
}

// An omission is what was not measured, and why.
type omission struct {
	Pair   string `json:"pair"`
	Reason string `json:"reason"`
}

// A result is one metric of one pair: a sample for each round.
type result struct {
	Pair    string    `json:"pair"`
	Metric  string    `json:"metric"`
	Unit    string    `json:"unit"`
	Samples []float64 `json:"samples"`
	Spread  spread    `json:"value"`

	// Ratios are the figure divided by that of a base pair in the same round, by the base's name.
	Ratios map[string]spread `json:"ratios"`

	rounds []int // of each sample: a tunnel of others may have failed in one
}

// A spread sums samples up.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func newReport(o options) *report {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	return &report{
		Schema: "vxmesh.bench/2", Kernel: strings.TrimSpace(string(kernel)),
		CPUs: runtime.NumCPU(), Load: loadAverage(), Rounds: o.rounds, Seconds: o.length.Seconds(),
		Single: o.single(), Loss: o.loss,
		Pairs: []description{}, Left: []omission{}, Results: []*result{},
	}
}

// loadAverage is 0 where the kernel does not tell.
func loadAverage() (load float64) {
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Sscan(string(text), &load)
	}
	return load
}

// describe adds a pair whose endpoints are up.
func (r *report) describe(p *pair, version string) {
	t := p.tunnel
	mtu := max(p.from.mtu(), p.to.mtu()) // an end with a stack of its own has no device
	r.Pairs = append(r.Pairs, description{p.name, t.layer, mtu, t.seal, version})
}

// leaveOut writes down what is not measured.
func (r *report) leaveOut(pair string, err error) {
	r.Left = append(r.Left, omission{pair, err.Error()})
}

func (r *report) find(pair, metric string) *result {
	for _, res := range r.Results {
		if res.Pair == pair && res.Metric == metric {
			return res
		}
	}
	return nil
}

func (r *report) add(pair string, m metric, round int, value float64) {
	res := r.find(pair, m.Name)
	if res == nil {
		res = &result{Pair: pair, Metric: m.Name, Unit: m.Unit, Ratios: map[string]spread{}}
		r.Results = append(r.Results, res)
	}
	res.Samples = append(res.Samples, value)
	res.rounds = append(res.rounds, round)
}

// finish works out medians and ratios and puts the results in the order in which they are read.
func (r *report) finish() {
	var sorted []*result
	for _, m := range append(slices.Clone(metrics), cpuPerGB) {
		for _, t := range tunnels {
			for _, name := range t.pairs {
				if res := r.find(name, m.Name); res != nil {
					r.compare(res)
					sorted = append(sorted, res)
				}
			}
		}
	}
	r.Results = sorted
}

// compare fills in what follows from the samples.
func (r *report) compare(res *result) {
	res.Spread = spreadOf(res.Samples)
	for _, base := range bases {
		if other := r.find(base.pair, res.Metric); other != nil {
			if rs := ratios(res, other); len(rs) > 0 {
				res.Ratios[base.pair] = spreadOf(rs)
			}
		}
	}
}

// spreadOf needs at least one sample.
func spreadOf(samples []float64) spread {
	s := slices.Sorted(slices.Values(samples))
	return spread{(s[(len(s)-1)/2] + s[len(s)/2]) / 2, s[0], s[len(s)-1]}
}

// ratios compares samples of the same round, so that what slows the machine down for a while slows
// both sides of it down.
func ratios(res, base *result) []float64 {
	var rs []float64
	for i, v := range res.Samples {
		if j := slices.Index(base.rounds, res.rounds[i]); j >= 0 {
			rs = append(rs, v/base.Samples[j])
		}
	}
	return rs
}
