package view

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/vxmesh/vxmesh/internal/suggest"
)

// A Record is what a [Filter] looks at.
type Record interface {
	// Text is everything that a word or a regular expression may find.
	Text() string
	// Field returns what key says of the record, as text and, where it is one, as a number (else
	// NaN). It is not ok where the record has no such field.
	Field(key string) (text string, number float64, ok bool)
}

// A Filter is a list of terms that must all hold. The zero Filter matches everything. It is not
// changed after [ParseFilter], so many may match with it at once.
type Filter struct{ terms []term }

// A term is one condition, with where it was typed.
type term struct {
	raw    string
	column int
	not    bool
	key    string // empty for words and regular expressions
	match  func(r Record) bool
}

// Match says that every term of f holds for r.
func (f Filter) Match(r Record) bool {
	for _, t := range f.terms {
		if t.match(r) == t.not {
			return false
		}
	}
	return true
}

// Empty says that f matches everything, because it has no terms.
func (f Filter) Empty() bool { return len(f.terms) == 0 }

// String returns the terms as they were typed, with one blank between.
func (f Filter) String() string {
	raw := make([]string, len(f.terms))
	for i, t := range f.terms {
		raw[i] = t.raw
	}
	return strings.Join(raw, " ")
}

// Check returns an error about the first key of f that is not one of keys.
func (f Filter) Check(keys []string) error {
	for _, t := range f.terms {
		if t.key != "" && !slices.Contains(keys, t.key) {
			return &FilterError{t.column, unknownKey(t.key, keys)}
		}
	}
	return nil
}

func unknownKey(key string, keys []string) string {
	if near := suggest.Nearest(key, keys); near != "" {
		return fmt.Sprintf("unknown key %q: did you mean %s?", key, near)
	}
	return fmt.Sprintf("unknown key %q: there are %s", key, strings.Join(keys, ", "))
}

// wordTerm finds text anywhere, whatever the case.
func wordTerm(text string) func(Record) bool {
	text = strings.ToLower(text)
	return func(r Record) bool { return strings.Contains(strings.ToLower(r.Text()), text) }
}

func regexTerm(re *regexp.Regexp) func(Record) bool {
	return func(r Record) bool { return re.MatchString(r.Text()) }
}

// valueTerm finds one of values in a field, or, where exact, as all of it. Numbers are always
// compared as a whole: vlan:1 is not vlan 10.
func valueTerm(key string, values []string, exact bool) func(Record) bool {
	for i, v := range values {
		values[i] = strings.ToLower(v)
	}
	return func(r Record) bool {
		text, _, ok := r.Field(key)
		text = strings.ToLower(text)
		return ok && slices.ContainsFunc(values, func(v string) bool {
			if exact || isNumber(v) && isNumber(text) {
				return v == text
			}
			return strings.Contains(text, v)
		})
	}
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

// orderTerm compares a number; a field that has none never holds.
func orderTerm(key, op string, than float64) func(Record) bool {
	return func(r Record) bool {
		_, n, ok := r.Field(key)
		switch {
		case !ok:
			return false
		case op == ">":
			return n > than
		case op == "<":
			return n < than
		case op == ">=":
			return n >= than
		}
		return n <= than
	}
}
