package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A document is a file's text, where its keys stand, and what is wrong with it so far.
type document struct {
	name     string
	schema   reflect.Type // what the file is read into
	text     string
	root     *spot
	lines    []string // of text, without their ends
	starts   []int    // where in text each of lines begins
	problems Errors
	bad      map[string]bool // paths whose value could not be read
}

func newDocument(name, text string, schema reflect.Type) *document {
	d := &document{name: name, schema: schema, root: &spot{}, bad: make(map[string]bool)}
	d.text = strings.TrimPrefix(text, "\ufeff")
	start := 0
	for line := range strings.SplitSeq(d.text, "\n") {
		d.lines = append(d.lines, strings.Map(printable, strings.TrimSuffix(line, "\r")))
		d.starts = append(d.starts, start)
		start += len(line) + 1
	}
	return d
}

// printable keeps a broken file from steering the terminal on which its excerpt is shown.
func printable(r rune) rune {
	if r != '\t' && unicode.IsControl(r) {
		return utf8.RuneError
	}
	return r
}

// find walks down a path like segments[0].vxlan.remotes[2]; exact is false when the file does not
// write it, and then the spot is that of the nearest thing around it.
func (d *document) find(path string) (at *spot, exact bool) {
	at = d.root
	for step := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '.' || r == '[' }) {
		var next *spot
		if i, err := strconv.Atoi(strings.TrimSuffix(step, "]")); err == nil && step[len(step)-1] == ']' {
			switch {
			case i < len(at.elems):
				next = at.elems[i]
			case i == 0 && at.kids != nil:
				next = at // one table where a list of them belongs
			}
		} else {
			next = at.last().kids[step]
		}
		if next == nil {
			return at, false
		}
		at = next
	}
	return at, true
}

// has tells whether the file writes the key.
func (d *document) has(path string) bool {
	_, exact := d.find(path)
	return exact
}

// good tells whether the file writes the key and its value could be read.
func (d *document) good(path string) bool { return d.has(path) && !d.bad[path] }

// report adds a problem with the value at path, which the message begins with. One whose value
// could not even be read has been reported already and is left alone.
func (d *document) report(path, hint, format string, args ...any) {
	for p := path; p != ""; p = p[:max(0, strings.LastIndexAny(p, ".["))] {
		if d.bad[p] {
			return
		}
	}
	at, _ := d.find(path)
	message := fmt.Sprintf(format, args...)
	if path != "" {
		message = label(path) + ": " + message
	}
	d.add(at.value, path, hint, message)
}

// add adds a problem with the bytes of s.
func (d *document) add(s span, key, hint, message string) {
	line, col, width := d.position(s)
	d.problems = append(d.problems, Problem{
		File: d.name, Line: line, Col: col, Key: key, Message: message, Hint: hint,
		Excerpt: excerpt(d.lines, line, col, width),
	})
}

// position turns bytes into line, column and width in characters; a span of several lines is
// shown by its first.
func (d *document) position(s span) (line, col, width int) {
	start := max(0, min(s.start, len(d.text)))
	end := max(start, min(s.end, len(d.text)))
	n, found := slices.BinarySearch(d.starts, start)
	if !found {
		n--
	}
	col = 1 + utf8.RuneCountInString(d.text[d.starts[n]:start])
	first, _, _ := strings.Cut(d.text[start:end], "\n")
	return n + 1, col, utf8.RuneCountInString(strings.TrimRight(first, "\r"))
}

// label is a path as people write it: without the positions in lists.
func label(path string) string {
	var b strings.Builder
	inside := false
	for _, r := range path {
		switch {
		case r == '[':
			inside = true
		case r == ']':
			inside = false
		case !inside:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// heading is how the table at path is written in the file.
func heading(path string) string {
	switch {
	case path == "":
		return "at the top of the file"
	case strings.HasSuffix(path, "]"):
		i := strings.LastIndexByte(path, '[')
		n, _ := strconv.Atoi(path[i+1 : len(path)-1])
		return fmt.Sprintf("in [[%s]] %d", label(path), n+1)
	}
	return fmt.Sprintf("in [%s]", label(path))
}
