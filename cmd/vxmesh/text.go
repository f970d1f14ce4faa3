package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// A table aligns columns. Cells that are "" show as "-".
type table struct{ rows [][]string }

// add appends a row; numbers and names are printed as %v does.
func (t *table) add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		if row[i] = fmt.Sprint(c); row[i] == "" {
			row[i] = "-"
		}
	}
	t.rows = append(t.rows, row)
}

// String is the table with its columns aligned, a line per row; "" when there is no row but the
// head.
func (t *table) String() string {
	if len(t.rows) < 2 {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range t.rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

// shortDuration is a duration as people say it, two units at most: 12s, 4m30s, 2h14m, 3d04h.
func shortDuration(seconds float64) string {
	d := time.Duration(seconds) * time.Second
	days, hours := d/(24*time.Hour), d/time.Hour%24
	minutes, secs := d/time.Minute%60, d/time.Second%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%02dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh%02dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm%02ds", minutes, secs)
	}
	return fmt.Sprintf("%ds", secs)
}

// byteCount is a number of bytes in the largest decimal unit that leaves a digit before the point.
func byteCount(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1000, 0
	for v >= 999.95 && unit < len(units)-1 { // what would round to 1000.0
		v, unit = v/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", v, units[unit])
}

// word quotes a value that would not read as one word behind its key, or that would steer the
// terminal.
func word(value string) string {
	if value == "" || strings.ContainsAny(value, " =\"\n\t\x1b") {
		return fmt.Sprintf("%q", value)
	}
	return value
}

// plural is "1 entry", "2 entries".
func plural[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
