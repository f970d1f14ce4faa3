package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing wrong with a file, and where.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`              // from 1
	Col     int    `json:"col"`               // from 1, in characters
	Key     string `json:"key"`               // TOML path, list elements from 0: segments[0].vni
	Message string `json:"message"`           // one sentence, lower case, no full stop
	Hint    string `json:"hint,omitempty"`    // what to write instead
	Excerpt string `json:"excerpt,omitempty"` // the line before, the line, and carets below it
}

// String gives the problem as `config check` prints it, without a final newline.
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: error: %s", p.File, p.Line, p.Col, p.Message)
	switch {
	case p.Excerpt == "" && p.Hint == "":
		return s
	case p.Excerpt == "":
		return s + "; " + p.Hint
	case p.Hint == "":
		return s + "\n" + p.Excerpt
	}
	return s + "\n" + p.Excerpt + " " + p.Hint
}

// Errors is everything wrong with a file, sorted by position; never empty when it is an error.
type Errors []Problem

// Error gives all problems, each with its excerpt, separated by newlines.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

// maxExcerpt is the longest line an excerpt shows whole, in characters.
const maxExcerpt = 160

// excerpt draws line n (from 1) with the line before it and carets under the characters
// from col (from 1), at least one.
func excerpt(lines []string, n, col, width int) string {
	if n > len(lines) {
		return ""
	}
	line := []rune(lines[n-1])
	if len(line) == 0 || len(line) > maxExcerpt {
		return ""
	}
	digits := max(4, len(fmt.Sprint(n)))
	var b strings.Builder
	if n > 1 && strings.TrimSpace(lines[n-2]) != "" && len(lines[n-2]) <= maxExcerpt {
		fmt.Fprintf(&b, "%*d | %s\n", digits, n-1, lines[n-2])
	}
	fmt.Fprintf(&b, "%*d | %s\n", digits, n, lines[n-1])
	// Tabs stay tabs below the line, so that the carets stand right at any tab width.
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(line[:min(col-1, len(line))]))
	width = max(1, min(width, len(line)-col+1))
	fmt.Fprintf(&b, "%*s | %s%s", digits, "", pad, strings.Repeat("^", width))
	return b.String()
}
