// Package suggest finds the word that somebody meant who made a slip.
//
// Its functions may be called concurrently.
package suggest

import (
	"fmt"
	"strings"
)

// Nearest gives the known word that got is most likely a slip of, whatever the case; "" when none is
// near, which is one edit in three characters.
func Nearest(got string, known []string) string {
	best, least := "", max(1, len(got)/3)+1
	for _, k := range known {
		if d := edits(strings.ToLower(got), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// edits counts the insertions, deletions, substitutions and swaps of neighbours that turn a into b
// (optimal string alignment).
func edits(a, b string) int {
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}

// DidYouMean is the end of a message about a word that is not known, such as `; did you mean "nas"?`; ""
// when none is near.
func DidYouMean(got string, known []string) string {
	if near := Nearest(got, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
