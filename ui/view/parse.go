package view

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFilter is how many bytes of filter are looked at; nobody types more.
const maxFilter = 1000

// A FilterError says what is wrong with a filter, and at which character, counted from 1.
type FilterError struct {
	Column int
	Reason string
}

func (e *FilterError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Reason) }

// ParseFilter reads terms with blanks between them, all of which must hold. What is read is a
// [Filter]; an error is a *[FilterError], as for a term that is still being typed. Case never
// matters.
//
//	word  "two words"      found anywhere
//	/regex/                found anywhere; \/ is a slash (RE2)
//	port:nas  port:nas,br  one of these is found in the field; of numbers, it is the number
//	port=nas               the field is just this
//	rtt>50  rx>=1.5M       the field is a number, and larger (k, M, G, T; % is left out)
//	!term                  does not hold
//
// Addresses (52:54:00, fd42::1) are words.
func ParseFilter(s string) (Filter, error) {
	if len(s) > maxFilter {
		return Filter{}, &FilterError{maxFilter, "a filter has at most 1000 bytes"}
	}
	var f Filter
	for p := (&parser{all: s, rest: s}); p.skipBlanks(); {
		t, err := p.term()
		if err != nil {
			return Filter{}, err
		}
		f.terms = append(f.terms, t)
	}
	return f, nil
}

// A parser takes terms off the rest of a filter.
type parser struct{ all, rest string }

func (p *parser) skipBlanks() bool {
	p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	return p.rest != ""
}

// fail names the character of the rest that is n bytes further.
func (p *parser) fail(n int, format string, args ...any) error {
	at := len(p.all) - len(p.rest) + n
	return &FilterError{utf8.RuneCountInString(p.all[:at]) + 1, fmt.Sprintf(format, args...)}
}

func (p *parser) term() (t term, err error) {
	start := p.rest
	t.column = utf8.RuneCountInString(p.all[:len(p.all)-len(start)]) + 1
	for strings.HasPrefix(p.rest, "!") {
		p.rest, t.not = p.rest[1:], !t.not
	}
	switch {
	case p.rest == "" || unicode.IsSpace(firstRune(p.rest)):
		return t, p.fail(0, "! wants a term after it, without a blank")
	case p.rest[0] == '/':
		t.match, err = p.regex()
	default:
		err = p.word(&t)
	}
	t.raw = start[:len(start)-len(p.rest)]
	return t, err
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// regex takes /…/ off.
func (p *parser) regex() (func(Record) bool, error) {
	end := 1
	for end < len(p.rest) && p.rest[end] != '/' {
		end += 1 + bit(p.rest[end] == '\\')
	}
	if end >= len(p.rest) {
		return nil, p.fail(len(p.rest), "a regular expression ends with /")
	}
	if after := p.rest[end+1:]; after != "" && !unicode.IsSpace(firstRune(after)) {
		return nil, p.fail(end+1, "a blank must follow the / of a regular expression")
	}
	if end == 1 {
		return nil, p.fail(1, "the regular expression is empty")
	}
	re, err := regexp.Compile("(?i)" + p.rest[1:end])
	if err != nil {
		return nil, p.fail(1, "%s", regexReason(err))
	}
	p.rest = p.rest[end+1:]
	return regexTerm(re), nil
}

func regexReason(err error) string {
	var e *syntax.Error
	if errors.As(err, &e) {
		return Clean(e.Code.String() + " in " + strings.TrimPrefix(e.Expr, "(?i)"))
	}
	return Clean(err.Error())
}

// word takes a term off that is no regular expression: up to a blank that is not within quotes.
func (p *parser) word(t *term) error {
	end, quoted := 0, false
	for i, r := range p.rest {
		if unicode.IsSpace(r) && !quoted {
			break
		}
		quoted = quoted != (r == '"')
		end = i + utf8.RuneLen(r)
		if r == utf8.RuneError {
			return p.fail(i, "this is not a character")
		}
	}
	if quoted {
		return p.fail(end, `a " is missing`)
	}
	s := p.rest[:end]
	if err := p.keyed(t, s); err != nil {
		return err
	}
	if t.match == nil {
		text := strings.ReplaceAll(s, `"`, "")
		if text == "" {
			return p.fail(0, "there is nothing between the quotes")
		}
		t.match = wordTerm(text)
	}
	p.rest = p.rest[end:]
	return nil
}

var (
	keyed   = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.-]*)(:|=|>=|<=|>|<)`)
	address = regexp.MustCompile(`^[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:./]*$`)
	noKey   = regexp.MustCompile(`^[<>]=?[0-9]`)
)

// keyed fills t in if s starts with a key and an operator.
func (p *parser) keyed(t *term, s string) error {
	if noKey.MatchString(s) {
		return p.fail(0, "a comparison wants a key before it, as in rtt>50")
	}
	m := keyed.FindStringSubmatch(s)
	if m == nil || address.MatchString(s) {
		return nil
	}
	key, op, value := strings.ToLower(m[1]), m[2], s[len(m[0]):]
	t.key = key
	if op == ":" || op == "=" {
		values := splitValues(value)
		if len(values) == 0 {
			return p.fail(len(m[0]), "%s%s wants a value after it", key, op)
		}
		t.match = valueTerm(key, values, op == "=")
		return nil
	}
	n, ok := parseNumber(value)
	if !ok {
		return p.fail(len(m[0]), "%s%s wants a number after it, such as 50 or 1.5M", key, op)
	}
	t.match = orderTerm(key, op, n)
	return nil
}

// splitValues splits at commas that are not within quotes, takes the quotes off, and leaves out what
// is empty: there is nothing after a comma while one is typing.
func splitValues(s string) (values []string) {
	value, quoted := "", false
	for _, r := range s + "," {
		switch {
		case r == '"':
			quoted = !quoted
		case r != ',' || quoted:
			value += string(r)
		case value != "":
			values, value = append(values, value), ""
		}
	}
	return values
}

// parseNumber reads 50, 1.5M, 3%.
func parseNumber(s string) (float64, bool) {
	unit := 1.0
	s = strings.TrimSuffix(s, "%")
	if n := len(s); n > 1 {
		if power := strings.IndexByte("kMGT", s[n-1]); power >= 0 {
			s = s[:n-1]
			for range power + 1 {
				unit *= 1000
			}
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	return n * unit, err == nil && known(n*unit)
}
