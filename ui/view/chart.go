package view

import "math"

// ChartOptions say what a chart shows. Values are oldest first, NaN where there is no data, and are
// spread over the whole width.
type ChartOptions struct {
	Up   []float64 // the first series, in role Chart1 (received)
	Down []float64 // the second, mirrored below the first, in role Chart2 (sent)

	Factor float64                // values times this are shown, as 8 for bits of bytes; 0 is 1
	Label  func(v float64) string // writes numbers at the axis; nil is [Short]
	X      []string               // labels of the time axis, evenly spread; none, no axis

	Max    float64 // least upper end of the scale, in shown numbers
	Shared bool    // one scale for both series, rather than one for each
	Log    bool    // logarithmic over four decades
}

// decades is what a logarithmic scale spans.
const decades = 4

// minPlot is how many columns a plot needs beside its labels; with less, the labels go.
const minPlot = 8

func (o ChartOptions) label(v float64) string {
	if o.Label == nil {
		return Short(v)
	}
	return o.Label(v)
}

func (o ChartOptions) factor() float64 {
	if o.Factor == 0 {
		return 1
	}
	return o.Factor
}

// fraction says how high v is on a scale that ends at top: 0..1, NaN without data.
func (o ChartOptions) fraction(v, top float64) float64 {
	f := v * o.factor() / top
	if o.Log {
		f = 1 + math.Log10(max(f, 0))/decades
	}
	if !known(v) {
		return math.NaN()
	}
	return min(max(f, 0), 1)
}

// AreaChart draws one filled series, or two mirrored ones, with their scales at the left.
//
//	600M┤        ⢀⣀⡀
//	    │  ⣀⣠⣴⣶⣶⣾⣿⣿⣷⣶
//	   0┼⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿
//	 60M┤⠛⠛⠋⠉⠉⠛⠛⠛⠛⠛⠛⠉
//	    └ -2m ──── now
func AreaChart(a Area, o ChartOptions) {
	top, bottom := o.scale(o.Up), o.scale(o.Down)
	if o.Shared {
		top = max(top, bottom)
		bottom = top
	}
	n := o.labelWidth(a, 0, top, bottom)
	a = timeAxis(a, o, n)
	_, h := a.Size()
	if h == 0 {
		return
	}
	up := h
	if o.Down != nil {
		up = (h + 1) / 2
	}
	labels := make([]string, h)
	labels[up-1] = o.label(0)
	if up > 1 {
		labels[0] = o.label(top)
	}
	if up < h {
		labels[h-1] = o.label(bottom)
	}
	upper, lower := valueAxis(a, n, labels, up-1).SplitTop(up)
	fillUp(upper, o, top)
	fillDown(lower, o, bottom)
}

// scale is where the scale of these values ends.
func (o ChartOptions) scale(values []float64) float64 {
	if p := peak(values) * o.factor(); p > o.Max {
		return nice(p)
	}
	return nice(o.Max)
}

// labelWidth is how wide the labels of these numbers are, or 0 where they would leave too little.
func (o ChartOptions) labelWidth(a Area, values ...float64) (n int) {
	for _, v := range values {
		n = max(n, Width(o.label(v)))
	}
	if w, _ := a.Size(); w < n+1+minPlot {
		return 0
	}
	return n
}

// nice returns the next round number from v on, and 1 for what is not positive.
func nice(v float64) float64 {
	if !(v > 1e-300) || !known(v) {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 3, 4, 5, 6, 8, 10} {
		if v <= unit*m*(1+1e-9) {
			return unit * m
		}
	}
	return unit * 10
}

func fillUp(a Area, o ChartOptions, top float64) {
	fill(a, o, o.Up, top, Chart1, func(d *dots, x, n int) { d.column(x, d.h*4-n, d.h*4-1) })
}

func fillDown(a Area, o ChartOptions, bottom float64) {
	fill(a, o, o.Down, bottom, Chart2, func(d *dots, x, n int) { d.column(x, 0, n-1) })
}

// fill draws the peak of each column; what is known shows, be it nothing.
func fill(a Area, o ChartOptions, values []float64, top float64, r Role,
	column func(d *dots, x, n int),
) {
	w, h := a.Size()
	if len(values) == 0 || w == 0 || h == 0 {
		return
	}
	d := newDots(w, h)
	for x := range w * 2 {
		if f := o.fraction(peak(bucket(values, x, w*2)), top); known(f) {
			column(d, x, max(int(math.Round(f*float64(h*4))), 1))
		}
	}
	d.draw(a, r)
}

// LineChart draws the first series as a line. Its scale need not start at 0.
//
//	60┤      ⢀
//	40┤⣀⡠⠤⠊⠑⠤⣀
//	20┤
//	  └ -5m ─ now
func LineChart(a Area, o ChartOptions) {
	lo, hi := o.span()
	middle := (lo + hi) / 2
	n := o.labelWidth(a, lo, middle, hi)
	a = timeAxis(a, o, n)
	_, h := a.Size()
	if h == 0 {
		return
	}
	labels := make([]string, h)
	labels[h-1], labels[0] = o.label(lo), o.label(hi)
	if h >= 3 && h%2 == 1 {
		labels[h/2] = o.label(middle)
	}
	a = valueAxis(a, n, labels, -1)
	w, _ := a.Size()
	if w == 0 || len(o.Up) == 0 {
		return
	}
	d, last := newDots(w, h), -1
	for x := range w * 2 {
		v := mean(bucket(o.Up, x, w*2)) * o.factor()
		if !known(v) {
			last = -1
			continue
		}
		y := int(math.Round((hi - v) / (hi - lo) * float64(h*4-1)))
		last = d.connect(x, last, y)
	}
	d.draw(a, Chart1)
}

// connect leads the line from last in the column before to y, without a gap and without drawing
// last again; it returns y. A last of -1 is the start of a line.
func (d *dots) connect(x, last, y int) int {
	switch {
	case last < 0 || last == y:
		d.set(x, y)
	case last < y:
		d.column(x, last+1, y)
	default:
		d.column(x, last-1, y)
	}
	return y
}

// span returns round ends of a scale that holds all values of the first series.
func (o ChartOptions) span() (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, v := range o.Up {
		if v *= o.factor(); known(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if lo > hi {
		return 0, max(o.Max, 1)
	}
	hi = max(hi, o.Max)
	step := nice(max((hi-lo)/2, math.Abs(hi)/10))
	lo, hi = math.Floor(lo/step)*step, math.Ceil(hi/step)*step
	if hi <= lo {
		hi = lo + step
	}
	return lo, hi
}

// timeAxis draws the axis below a plot whose labels take n columns, and returns what is above it.
// Of labels that would overlap, the later one stays.
func timeAxis(a Area, o ChartOptions, n int) Area {
	_, h := a.Size()
	if len(o.X) == 0 || h < 3 {
		return a
	}
	a, line := a.SplitBottom(1)
	if n > 0 {
		_, line = line.SplitLeft(n)
		line.Print(0, 0, Border, "└")
		_, line = line.SplitLeft(1)
	}
	line.Fill(Border, '─')
	w, _ := line.Size()
	end := w
	for i := len(o.X) - 1; i >= 0; i-- {
		size := Width(o.X[i]) + 2
		x := (w - size) * i / max(len(o.X)-1, 1)
		if x >= 0 && x+size <= end {
			line.Print(x, 0, Dim, " "+o.X[i]+" ")
			end = x
		}
	}
	return a
}

// valueAxis writes labels, n columns wide, beside a plot whose line zero is the base, and returns
// the plot.
func valueAxis(a Area, n int, labels []string, zero int) Area {
	if n == 0 {
		return a
	}
	axis, plot := a.SplitLeft(n + 1)
	for y, s := range labels {
		tick := "│"
		switch {
		case y == zero:
			tick = "┼"
		case s != "":
			tick = "┤"
		}
		axis.Print(0, y, Dim, PadLeft(s, n))
		axis.Print(n, y, Border, tick)
	}
	return plot
}
