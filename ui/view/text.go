package view

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// A glyph is what is put into one cell, or two: a character and the marks that combine with it.
type glyph struct {
	r     rune
	marks string
	width int // 1 or 2
}

const (
	replacement = utf8.RuneError // stands for what must not be shown
	maxMarks    = 2              // per character; more is there to deface, not to be read
	maxText     = 1 << 16        // bytes; a name may be all marks, and as long as it likes
)

// A scanner takes the glyphs off a string.
type scanner struct{ s string }

// scan starts at the first glyph of s. What is longer than any canvas has room for is cut.
func scan(s string) scanner { return scanner{s[:min(len(s), maxText)]} }

func (sc *scanner) next() (g glyph, ok bool) {
	for sc.s != "" {
		// Most text is ASCII, and a character before another one has no marks.
		if b := sc.s[0]; b >= ' ' && b < 0x7f && (len(sc.s) == 1 || sc.s[1] < utf8.RuneSelf) {
			sc.s = sc.s[1:]
			return glyph{r: rune(b), width: 1}, true
		}
		r, n := utf8.DecodeRuneInString(sc.s)
		sc.s = sc.s[n:]
		if g.r, g.width = classify(r); g.width > 0 {
			if g.marks = sc.marks(); g.r == ' ' {
				g.marks = "" // there is nothing that they would belong to
			}
			return g, true
		}
	}
	return g, false
}

// marks takes what combines with the character before it.
func (sc *scanner) marks() (s string) {
	for count := 0; sc.s != "" && sc.s[0] >= utf8.RuneSelf; {
		r, n := utf8.DecodeRuneInString(sc.s)
		if shown, width := classify(r); width > 0 {
			break
		} else if shown != 0 && count < maxMarks {
			s += string(shown)
			count++
		}
		sc.s = sc.s[n:]
	}
	return s
}

// classify returns what is shown for r and how many columns that takes: none for a mark that
// combines with the character before it, and 0, 0 for what is left out.
//
// Terminals disagree about the width of clusters (flags, families joined by ZWJ, skin tones, Indic
// conjuncts). So nothing stays that joins with the cells beside it or is measured differently with
// and without clusters: every line is then as wide as the canvas on all of them.
func classify(r rune) (shown rune, width int) {
	if w := common(r); w > 0 {
		return r, w
	}
	return measure(r)
}

func measure(r rune) (shown rune, width int) {
	switch {
	case r == '\t' || r == '\n' || r == '\r', unicode.In(r, unicode.Z):
		return ' ', 1
	case r >= 0x1f1e6 && r <= 0x1f1ff: // regional indicators, which are flags in pairs
		return 'A' + r - 0x1f1e6, 1
	case invisible(r):
		return 0, 0
	case !unicode.IsGraphic(r):
		return replacement, 1
	case unicode.In(r, unicode.M) || joined("a"+string(r)):
		return mark(r), 0
	case joined(string(r) + string(r)): // Jamo, and signs that precede what they belong to
		return replacement, 1
	}
	if w := displaywidth.Rune(r); w == 1 || w == 2 {
		return r, w
	}
	return replacement, 1
}

// common is the width of most characters that there are in practice, and 0 for others: Latin, Greek,
// Cyrillic, what the frames are made of, Kana, Han and Hangul. Finding out takes a microsecond.
func common(r rune) int {
	switch {
	case r >= ' ' && r < 0x7f, r > 0xa0 && r < 0x300 && r != 0xad, r >= 0x38e && r < 0x483 && r != 0x3a2,
		r >= 0x2010 && r < 0x2028, r >= 0x2190 && r < 0x2200, r >= 0x2500 && r < 0x25a0,
		r >= 0x2800 && r < 0x2900:
		return 1
	case r >= 0x3041 && r < 0x3097, r >= 0x30a1 && r < 0x3100, r >= 0x4e00 && r < 0xa000,
		r >= 0xac00 && r < 0xd7a4:
		return 2
	}
	return 0
}

// invisible finds what has no shape: bidi controls, joiners, fillers, selectors, skin tones.
func invisible(r rune) bool {
	return r >= 0x1f3fb && r <= 0x1f3ff ||
		unicode.In(r, unicode.Cf, unicode.Variation_Selector,
			unicode.Other_Default_Ignorable_Code_Point)
}

// mark returns r if it takes no column anywhere (a spacing mark does on many terminals) and does not
// join two characters (a virama does).
func mark(r rune) rune {
	if !unicode.In(r, unicode.Mn, unicode.Me) || joined("क"+string(r)+"क") {
		return 0
	}
	return r
}

// joined says that s is one cluster.
func joined(s string) bool {
	g := displaywidth.StringGraphemes(s)
	return g.Next() && len(g.Value()) == len(s)
}

func (g glyph) appendTo(b []byte) []byte {
	return append(utf8.AppendRune(b, g.r), g.marks...)
}

// Clean returns s as [Area.Print] shows it: in one line, without what could harm a terminal and
// without what follows its first 64 KiB.
func Clean(s string) string {
	if s = s[:min(len(s), maxText)]; plain(s) {
		return s
	}
	return string(appendColumns(nil, s, int(^uint(0)>>1)))
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// appendColumns appends as many glyphs of s as w columns hold.
func appendColumns(b []byte, s string, w int) []byte {
	b, _ = cut(b, s, w)
	return b
}

// cut is appendColumns that also returns what is left of s.
func cut(b []byte, s string, w int) (head []byte, rest string) {
	for sc := scan(s); ; {
		rest = sc.s
		g, ok := sc.next()
		if w -= g.width; !ok || w < 0 {
			return b, rest
		}
		b = g.appendTo(b)
	}
}

// Width returns how many columns s takes when it is printed.
func Width(s string) int {
	if s = s[:min(len(s), maxText)]; plain(s) {
		return len(s)
	}
	n := 0
	for sc := scan(s); ; {
		g, ok := sc.next()
		if !ok {
			return n
		}
		n += g.width
	}
}

// fits is Width(s) <= w, without reading more of s than that takes.
func fits(s string, w int) bool {
	for sc := scan(s); ; {
		g, ok := sc.next()
		if !ok {
			return w >= 0
		}
		if w -= g.width; w < 0 {
			return false
		}
	}
}

// Truncate cleans s and cuts it to at most w columns, with … at the end where it was longer.
func Truncate(s string, w int) string {
	switch {
	case w <= 0:
		return ""
	case fits(s, w):
		return Clean(s)
	}
	return string(append(appendColumns(nil, s, w-1), "…"...))
}

// Middle cleans s and cuts it to at most w columns, with … in the middle where it was longer: of a
// name, the end tells as much as the start.
func Middle(s string, w int) string {
	switch {
	case w <= 0:
		return ""
	case fits(s, w):
		return Clean(s)
	}
	tail := (w - 1) / 2
	b := append(appendColumns(nil, s, w-1-tail), "…"...)
	return string(b) + lastColumns(s, tail)
}

// lastColumns returns at most the last w columns of s.
func lastColumns(s string, w int) string {
	sc := scan(Clean(s))
	for over := Width(sc.s) - w; over > 0; {
		g, _ := sc.next()
		over -= g.width
	}
	return sc.s
}

// Pad cuts or fills s to exactly w columns, with the text at the left.
func Pad(s string, w int) string {
	s = Truncate(s, w)
	return s + blanks(w-Width(s))
}

// PadLeft cuts or fills s to exactly w columns, with the text at the right.
func PadLeft(s string, w int) string {
	s = Truncate(s, w)
	return blanks(w-Width(s)) + s
}

func blanks(n int) string { return strings.Repeat(" ", max(n, 0)) }

// Wrap cleans s and breaks it into lines of at most w columns, between words where that is
// possible and at line ends of s. In a single column, wide characters still take two.
func Wrap(s string, w int) []string {
	if w <= 0 {
		return nil
	}
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		lines = wrapLine(lines, line, w)
	}
	return lines
}

func wrapLine(lines []string, s string, w int) []string {
	line, used := "", 0
	for word := range strings.FieldsSeq(Clean(s)) {
		n := Width(word)
		if used > 0 && used+1+n <= w {
			line, used = line+" "+word, used+1+n
			continue
		}
		if used > 0 {
			lines = append(lines, line)
		}
		for n > w {
			head, rest := cut(nil, word, w)
			if len(head) == 0 { // a wide character
				head, rest = cut(nil, word, 2)
			}
			if rest == "" {
				break
			}
			lines, word = append(lines, string(head)), rest
			n -= Width(string(head))
		}
		line, used = word, n
	}
	return append(lines, line)
}
