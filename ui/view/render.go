package view

import (
	"math/bits"
	"unicode/utf8"
)

// Plain returns the lines of c, joined by \n, each exactly as wide as c and without any sequence.
func (c *Canvas) Plain(l Look) string {
	l.Theme = Theme{}
	return c.Render(l)
}

// Render is [Canvas.Plain] with the theme's SGR sequences. Each line starts and ends without any.
func (c *Canvas) Render(l Look) string {
	b := make([]byte, 0, (c.w+1)*c.h*2)
	for y := range c.h {
		if y > 0 {
			b = append(b, '\n')
		}
		b = c.line(b, c.cells[y*c.w:(y+1)*c.w], l)
	}
	return string(b)
}

// line appends one line. The style changes only where that can be seen: a blank looks the same in
// all colours.
func (c *Canvas) line(b []byte, cells []cell, l Look) []byte {
	now := style{}
	for _, n := range cells {
		if n.wide == right {
			continue
		}
		if l.ASCII && n.role == QR && n.r == '█' && l.Theme.t != nil {
			n.r, n.role = ' ', qrWhite
		}
		next := l.Theme.style(n.role)
		blank := (n.r == 0 || n.r == ' ') && !now.blanks && !next.blanks
		if next != now && !blank {
			b, now = change(b, now, next), next
		}
		b = c.text(b, n, l.ASCII)
	}
	if now.sgr != "" {
		b = append(b, "\x1b[m"...)
	}
	return b
}

// change appends what leads from one style to the next: they are never mixed.
func change(b []byte, from, to style) []byte {
	b = append(b, "\x1b["...)
	if from.sgr != "" && to.sgr != "" {
		b = append(b, "0;"...)
	}
	return append(append(b, to.sgr...), 'm')
}

// text appends the character of a cell.
func (c *Canvas) text(b []byte, n cell, ascii bool) []byte {
	switch {
	case n.r == 0:
		return append(b, ' ')
	case n.r < utf8.RuneSelf && (ascii || n.marks == 0):
		return append(b, byte(n.r))
	case ascii && n.wide == left:
		return append(b, "??"...)
	case ascii:
		return append(b, toASCII(n.r))
	}
	return append(utf8.AppendRune(b, n.r), c.marks[n.marks]...)
}

// Key caps have no letter that is not a key itself; hints that are read in ASCII use words.
var asciiGlyphs = map[rune]byte{
	'●': '*', '◐': '~', '▲': '!', '◌': '.', '○': '-', '✖': 'X', '‖': '=', '•': '*', '·': '.',
	'…': '.', '—': '-', '–': '-', '−': '-', '→': '>', '←': '<', '↑': '^', '↓': 'v', '↔': '-',
	'⇄': '=', '↕': '|', '▾': 'v', '▼': 'v', '▸': '>', '◂': '<', '▴': '^', '›': '>', '‹': '<',
	'≥': '>', '≤': '<', '≠': '#', '≈': '~', '±': '~', '×': 'x', '÷': '/', '°': 'o',
	'µ': 'u', 'μ': 'u',
	'✓': '+', '✔': '+', '✗': 'x', '■': '#', '□': '.', '◆': '*', '⏎': '_', '⇥': '_', '⇤': '_',
	'⇧': '^', '⌫': '_', '␣': '_', '“': '"', '”': '"', '‘': '\'', '’': '\'',
	'▌': '>', '▐': '|', // the cursor's row
	'─': '-', '━': '=', '═': '=', '┄': '-', '┈': '-', '╌': '-', '╴': '-', '╶': '-',
	'│': '|', '┃': '|', '║': '|', '┆': '|', '┊': '|', '╎': '|', '╵': '|', '╷': '|',
}

// toASCII returns one character that takes the place of r.
func toASCII(r rune) byte {
	if b, ok := asciiGlyphs[r]; ok {
		return b
	}
	const density = " .:#"
	switch {
	case r >= 0x2500 && r < 0x2580: // the rest of the box drawing
		return '+'
	case r >= '▁' && r <= '█':
		return density[1+(r-'▁')*3/8]
	case r == '▀':
		return ':'
	case r >= '▉' && r <= '▏': // narrower and narrower
		return density[1+('▏'-r)*3/8]
	case r >= '░' && r <= '▓':
		return density[1+r-'░']
	case r >= 0x2800 && r < 0x2900:
		return density[(bits.OnesCount8(uint8(r))*3+7)/8]
	}
	return '?'
}
