package main

import (
	"strings"
	"testing"
)

// Ratios compare samples of one round: a machine that becomes half as fast does not change them.
func TestReportRatios(t *testing.T) {
	r := newReport(options{rounds: 3})
	for _, speed := range []float64{1, 0.5, 2} {
		r.add("vxmesh -> kernel", metrics[0], 6*speed)
		r.add(baseOn, metrics[0], 10*speed)
		r.add(baseOff, metrics[0], 4*speed)
	}
	r.finish()
	got := r.find("vxmesh -> kernel", metrics[0].Name)
	if got.Median != 6 || got.RatioOn != 0.6 || got.RatioOff != 1.5 {
		t.Errorf("median %v, ratios %v and %v; want 6, 0.6 and 1.5",
			got.Median, got.RatioOn, got.RatioOff)
	}
	if r.Results[0].Pair != baseOn {
		t.Errorf("the first line is %q, want the base", r.Results[0].Pair)
	}
}

func TestReportWithoutBase(t *testing.T) {
	r := newReport(options{rounds: 1})
	r.add("vxmesh -> kernel", metrics[4], 48.25)
	var table strings.Builder
	if err := r.writeTable(&table); err != nil {
		t.Fatal(err)
	}
	want := "  vxmesh -> kernel  48.2    48.2 - 48.2  -               -\n"
	if !strings.HasSuffix(table.String(), want) {
		t.Errorf("table:\n%s\nwant its last line to be\n%s", table.String(), want)
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		samples []float64
		want    float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{9, 1, 2, 4}, 3},
	} {
		if got := median(test.samples); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.samples, got, test.want)
		}
	}
}
