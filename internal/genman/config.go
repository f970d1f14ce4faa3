package main

import (
	"errors"
	"strings"
	"time"
)

// keysMark is the line of the hand-written part that makes room for the keys.
const keysMark = `.\" KEYS`

// dateMark is where its date goes.
const dateMark = "@DATE@"

// configPage puts the keys of the commented example into the hand-written page.
func configPage(frame, example string, at time.Time) (string, error) {
	before, after, ok := strings.Cut(frame, keysMark+"\n")
	if !ok {
		return "", errors.New("the hand-written page has no line " + keysMark)
	}
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(before, dateMark, at.Format(time.DateOnly)))
	if i := strings.Index(example, "\n["); i >= 0 {
		example = example[i:] // what comes before the first table is about the example itself
	}
	prose := false
	for line := range strings.Lines(example) {
		line = strings.TrimSpace(line)
		was := prose
		if prose = strings.HasPrefix(line, "# "); prose && !was {
			b.WriteString(".PP\n")
		}
		keyLine(&b, line)
	}
	b.WriteString(after)
	return b.String(), nil
}

// keyLine writes one line of the example: a table's head, a key with its default or with an example of
// its value, or prose.
func keyLine(b *strings.Builder, line string) {
	switch text, isDefault := strings.CutPrefix(line, "#"); {
	case text == "":
	case strings.HasPrefix(text, " "):
		b.WriteString(escape(strings.TrimSpace(text)) + "\n")
	case strings.HasPrefix(text, "["):
		b.WriteString(".SS " + escape(text) + "\n")
	default:
		key, rest, _ := strings.Cut(text, " = ")
		value, comment := cutComment(rest)
		b.WriteString(".TP\n.B " + escape(key) + "\n")
		if comment != "" {
			b.WriteString(escape(strings.ToUpper(comment[:1])+comment[1:]) + ".\n")
		}
		word := "Example:"
		if isDefault {
			word = "Default:"
		}
		b.WriteString(word + " " + escape(value) + "\n")
	}
}

// cutComment parts a value from the comment behind it; a # within quotes begins none.
func cutComment(text string) (value, comment string) {
	quoted := false
	for i, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '#' && !quoted:
			return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:])
		}
	}
	return strings.TrimSpace(text), ""
}
