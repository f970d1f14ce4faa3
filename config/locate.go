package config

import (
	"strings"

	"github.com/BurntSushi/toml"
)

// A span is a range of bytes of the file.
type span struct{ start, end int }

// A spot is where one key of the file stands, and everything below it. The tree of spots has the
// shape of the decoded tree.
type spot struct {
	key   span             // the key as written; for a table, its whole [header]
	value span             // the value; for a table, its header too
	kids  map[string]*spot // of a table
	elems []*spot          // of a list
}

func (s *spot) kid(name string) *spot {
	if s.kids == nil {
		s.kids = make(map[string]*spot)
	}
	k := s.kids[name]
	if k == nil {
		k = &spot{}
		s.kids[name] = k
	}
	return k
}

// last is where keys written below s belong: the newest element when s is a list of tables.
func (s *spot) last() *spot {
	if len(s.elems) > 0 {
		return s.elems[len(s.elems)-1]
	}
	return s
}

// locate finds every key and value of a document that the TOML decoder has accepted; it neither
// checks nor decodes. On any other text the result is some tree whose spans lie in the text.
func locate(text string) *spot {
	l := &locator{text: text}
	root := &spot{}
	table := root
	for l.blank(); l.more(); l.blank() {
		if l.peek() == '[' {
			table = l.header(root)
			continue
		}
		l.pair(table)
	}
	return root
}

type locator struct {
	text string
	pos  int
}

func (l *locator) more() bool { return l.pos < len(l.text) }

func (l *locator) peek() byte {
	if l.more() {
		return l.text[l.pos]
	}
	return 0
}

func (l *locator) has(prefix string) bool { return strings.HasPrefix(l.text[l.pos:], prefix) }

func (l *locator) skip(n int) { l.pos = min(l.pos+n, len(l.text)) }

// until stops at the first byte that is in set.
func (l *locator) until(set string) {
	if n := strings.IndexAny(l.text[l.pos:], set); n >= 0 {
		l.pos += n
	} else {
		l.pos = len(l.text)
	}
}

func (l *locator) spaces() {
	for l.peek() == ' ' || l.peek() == '\t' {
		l.pos++
	}
}

// blank skips what may stand between values: white space, commas, comments.
func (l *locator) blank() {
	for l.more() {
		switch l.peek() {
		case '#':
			l.until("\n")
		case ' ', '\t', '\r', '\n', ',':
			l.pos++
		default:
			return
		}
	}
}

// header reads [a.b] or [[a.b]] and gives the table that the following keys belong to.
func (l *locator) header(root *spot) *spot {
	start, brackets := l.pos, 1
	if l.has("[[") {
		brackets = 2
	}
	l.skip(brackets)
	names, _ := l.key()
	l.skip(brackets)
	at := span{start, l.pos}
	s := root
	for _, name := range names {
		s = s.last().kid(name)
		if s.key == (span{}) {
			s.key, s.value = at, at
		}
	}
	if brackets == 2 {
		s.elems = append(s.elems, &spot{key: at, value: at})
		return s.last()
	}
	s.key, s.value = at, at
	return s
}

// pair reads one `key = value` of table.
func (l *locator) pair(table *spot) {
	names, at := l.key()
	for _, name := range names {
		table = table.last().kid(name)
		if table.key == (span{}) {
			table.key, table.value = at, at
		}
	}
	l.skip(1) // =
	l.value(table)
}

// key reads a dotted key and the spaces after it.
func (l *locator) key() (names []string, at span) {
	l.spaces()
	at.start = l.pos
	for {
		l.spaces()
		names = append(names, l.name())
		at.end = l.pos
		l.spaces()
		if l.peek() != '.' {
			return names, at
		}
		l.pos++
	}
}

// name reads one part of a key.
func (l *locator) name() string {
	start := l.pos
	switch q := l.peek(); q {
	case '"', '\'':
		l.str()
		raw := l.text[start:l.pos]
		if q == '"' && strings.Contains(raw, `\`) {
			return unescape(raw)
		}
		return strings.Trim(raw, string(q))
	}
	l.until(" \t.=]\n#\r")
	return l.text[start:l.pos]
}

// unescape lets the decoder itself read a quoted key, so that both agree on its escapes.
func unescape(quoted string) string {
	var v map[string]string
	if _, err := toml.Decode("k = "+quoted, &v); err != nil {
		return quoted
	}
	return v["k"]
}

// value reads a value into s.
func (l *locator) value(s *spot) {
	l.spaces()
	s.value.start = l.pos
	switch l.peek() {
	case '"', '\'':
		l.str()
	case '[':
		l.skip(1)
		for l.blank(); l.more() && l.peek() != ']'; l.blank() {
			e := &spot{}
			l.value(e)
			e.key = e.value
			s.elems = append(s.elems, e)
		}
		l.skip(1)
	case '{':
		l.skip(1)
		for l.blank(); l.more() && l.peek() != '}'; l.blank() {
			l.pair(s)
		}
		l.skip(1)
	default:
		l.until(",]}\n#")
		if l.pos == s.value.start {
			l.skip(1) // never in a valid document; without it the list around would not end
		}
		s.value.end = s.value.start + len(strings.TrimRight(l.text[s.value.start:l.pos], " \t\r"))
		return
	}
	s.value.end = l.pos
}

// str skips a string of any of the four kinds.
func (l *locator) str() {
	quote := l.text[l.pos : l.pos+1]
	long := strings.Repeat(quote, 3)
	closing := quote
	if l.has(long) {
		closing = long
	}
	l.skip(len(closing))
	for l.more() && !l.has(closing) {
		if quote == `"` && l.peek() == '\\' {
			l.pos++
		}
		l.skip(1)
	}
	l.skip(len(closing))
	// A multi-line string may end in up to two quotes of its own (TOML 1.0, String).
	for closing == long && l.has(quote) {
		l.pos++
	}
}
