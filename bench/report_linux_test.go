package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// Ratios compare samples of one round: a machine that becomes half as fast does not change them.
func TestReportRatios(t *testing.T) {
	r := newReport(options{rounds: 3})
	for round, speed := range []float64{1, 0.5, 2} {
		r.add("vxmesh -> kernel", metrics[0], round, 6*speed)
		r.add(baseOn, metrics[0], round, 10*speed)
		r.add(baseOff, metrics[0], round, 4*speed)
	}
	r.finish()
	got := r.find("vxmesh -> kernel", metrics[0].Name)
	if got.Spread != (spread{6, 3, 12}) {
		t.Errorf("spread %v, want median 6 from 3 to 12", got.Spread)
	}
	for base, want := range map[string]spread{baseOn: {0.6, 0.6, 0.6}, baseOff: {1.5, 1.5, 1.5}} {
		if got.Ratios[base] != want {
			t.Errorf("ratio to %q is %v, want %v", base, got.Ratios[base], want)
		}
	}
	if r.Results[0].Pair != baseOn {
		t.Errorf("the first line is %q, want the base", r.Results[0].Pair)
	}
}

// A tunnel that failed in one round is compared in the others, each with its own round's base.
func TestReportRatioOfMissingRound(t *testing.T) {
	r := newReport(options{rounds: 3})
	for round, v := range []float64{10, 20, 40} {
		r.add(baseWireGuard, metrics[0], round, v)
	}
	r.add("tinc", metrics[0], 0, 5)
	r.add("tinc", metrics[0], 2, 10)
	r.finish()
	got := r.find("tinc", metrics[0].Name).Ratios[baseWireGuard]
	if got != (spread{0.375, 0.25, 0.5}) {
		t.Errorf("ratio %v, want 0.375 from 0.25 to 0.5", got)
	}
}

// Where the base and the pair share no round there is no ratio, and the table still stands.
func TestReportWithoutCommonRound(t *testing.T) {
	r := newReport(options{rounds: 2})
	r.add(baseWireGuard, metrics[0], 0, 1)
	r.add("tinc", metrics[0], 1, 1)
	var table strings.Builder
	if err := r.writeTable(&table); err != nil {
		t.Fatal(err)
	}
	want := "  tinc                    1       1 - 1   -\n"
	if !strings.Contains(table.String(), want) {
		t.Errorf("table:\n%s\nwant a line\n%s", table.String(), want)
	}
}

func TestTable(t *testing.T) {
	r := newReport(options{rounds: 2, loss: 1})
	r.Load = 0
	for round, v := range []float64{48.25, 50} {
		r.add("fastd", metrics[4], round, v)
		r.add(baseOn, metrics[4], round, 1000)
	}
	r.Pairs = append(r.Pairs, description{"fastd", 2, 1434, "Salsa20/12, UMAC", "22"})
	r.leaveOut("tinc", errors.New("tincd is not installed\nsecond line"))
	var table strings.Builder
	if err := r.writeTable(&table); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(table.String(), "\n")
	want := `The cable's offloads are off: every datagram is a packet of its own.
1 % of the outer datagrams towards the receiver are lost.

Measured  layer  MTU   protection        version
  fastd   2      1434  Salsa20/12, UMAC  22

Left out
  tinc: tincd is not installed

ping (µs)           median  spread       to the kernel
  kernel -> kernel  1000    1000 - 1000  1
  fastd             49.1    48.2 - 50    0.049 (0.048 - 0.050)
`
	if got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
}

func TestJSON(t *testing.T) {
	r := newReport(options{rounds: 1, loss: 1})
	r.add(baseOn, metrics[0], 0, 2)
	r.leaveOut("n2n", errors.New("edge is not installed"))
	var text strings.Builder
	if err := r.writeJSON(&text); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema  string     `json:"schema"`
		Loss    float64    `json:"loss_percent"`
		Single  bool       `json:"underlay_offloads_off"`
		Left    []omission `json:"left_out"`
		Results []struct {
			Value  spread            `json:"value"`
			Ratios map[string]spread `json:"ratios"`
		} `json:"results"`
	}
	if err := json.Unmarshal([]byte(text.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != "vxmesh.bench/2" || got.Loss != 1 || !got.Single || len(got.Left) != 1 ||
		len(got.Results) != 1 || got.Results[0].Value.Median != 2 ||
		got.Results[0].Ratios[baseOn].Max != 1 {
		t.Errorf("JSON:\n%s", text.String())
	}
}

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		samples []float64
		want    spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{9, 1, 2, 4}, spread{3, 1, 9}},
	} {
		if got := spreadOf(test.samples); got != test.want {
			t.Errorf("spreadOf(%v) = %v, want %v", test.samples, got, test.want)
		}
	}
}
