package view

import (
	"math"
	"strings"
)

// bucket returns the values that belong to column i of cols, of which there is always one.
func bucket(values []float64, i, cols int) []float64 {
	from, to := i*len(values)/cols, (i+1)*len(values)/cols
	return values[from:max(to, from+1)]
}

// mean is NaN where nothing is known.
func mean(values []float64) float64 {
	sum, n := 0.0, 0.0
	for _, v := range values {
		if known(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / n
}

// peak is NaN where nothing is known.
func peak(values []float64) float64 {
	p := math.NaN()
	for _, v := range values {
		if known(v) && !(v <= p) {
			p = v
		}
	}
	return p
}

// Spark draws values, oldest first, into one line: ▁▂▃▄▅▆▇█, and · where there is no data (NaN, or
// fewer values than columns). With more values than columns each column is a mean. The highest step
// is at top, or at the highest value where top is 0.
func Spark(values []float64, width int, top float64) string {
	width = min(max(width, 0), MaxWidth)
	pad := max(width-len(values), 0)
	if top <= 0 {
		top = peak(values)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat("·", pad))
	for i := range width - pad {
		b.WriteRune(sparkRune(mean(bucket(values, i, width-pad)), top))
	}
	return b.String()
}

func sparkRune(v, top float64) rune {
	switch {
	case !known(v):
		return '·'
	case v <= 0 || !(top > 0):
		return '▁'
	}
	return '▁' + rune(math.Round(min(v/top, 1)*7))
}

// Bar draws a ratio into exactly width columns, in eighths of a column: "████▎   ". What is more
// than nothing shows.
func Bar(ratio float64, width int) string {
	width = min(max(width, 0), MaxWidth)
	n := 0
	if ratio > 0 { // NaN is not
		n = max(int(math.Round(min(ratio, 1)*float64(width)*8)), min(width, 1))
	}
	s := strings.Repeat("█", n/8)
	if n%8 > 0 {
		s += string('▉' + rune(7-n%8)) // U+2589 is seven eighths, U+258F is one
	}
	return s + blanks(width-(n+7)/8)
}
