package view

import (
	"fmt"
	"html"
	"strings"
)

// The cells of a picture, in its pixels: those of a monospaced font of 14 pixels.
const (
	svgCell = 8.43
	svgLine = 17
	svgEdge = 12
)

// svgInk are the colours of a picture by role; a second one is the background. It has a look of its own,
// because it is seen where nobody's terminal is.
var svgInk = [roleCount]struct{ ink, paper string }{
	Text: {ink: "#d4d7de"}, Dim: {ink: "#858b98"}, Title: {ink: "#ffffff"}, Border: {ink: "#4d5361"},
	Focus: {ink: "#5fafff"}, Accent: {ink: "#5fd7ff"}, Key: {ink: "#afd7ff"}, Good: {ink: "#87d787"},
	Relay: {ink: "#5fd7d7"}, Warn: {ink: "#ffd75f"}, Bad: {ink: "#ff5f5f"},
	Alarm: {"#ffffff", "#d70000"}, Selected: {"#ffffff", "#3a4152"}, Chart1: {ink: "#87d787"},
	Chart2: {ink: "#d787d7"}, Input: {"#ffffff", "#2c313c"}, QR: {"#ffffff", "#000000"},
	qrWhite: {"#000000", "#ffffff"},
}

// SVG returns the canvas as a picture: a Scalable Vector Graphic with the text as text.
func (c *Canvas) SVG() string {
	var b strings.Builder
	w, h := float64(c.w)*svgCell+2*svgEdge, c.h*svgLine+2*svgEdge
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" viewBox="0 0 %.0f %d">`+"\n", w, h, w, h)
	b.WriteString(`<rect width="100%" height="100%" rx="8" fill="#16181d"/>` + "\n")
	b.WriteString(`<g font-family="'DejaVu Sans Mono',Menlo,Consolas,monospace" font-size="14" xml:space="preserve">` + "\n")
	for y := range c.h {
		c.svgRow(&b, y)
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// svgRow draws the runs of one role in a line, each stretched to the cells it takes.
func (c *Canvas) svgRow(b *strings.Builder, y int) {
	cells := c.cells[y*c.w : (y+1)*c.w]
	for x := 0; x < len(cells); {
		end := x + 1
		for end < len(cells) && cells[end].role == cells[x].role {
			end++
		}
		c.svgRun(b, x, y, cells[x:end])
		x = end
	}
}

func (c *Canvas) svgRun(b *strings.Builder, x, y int, cells []cell) {
	colours := svgInk[cells[0].role]
	left, width := svgEdge+float64(x)*svgCell, float64(len(cells))*svgCell
	if colours.paper != "" {
		fmt.Fprintf(b, `<rect x="%.2f" y="%d" width="%.2f" height="%d" fill="%s"/>`+"\n",
			left, svgEdge+y*svgLine, width, svgLine, colours.paper)
	}
	var text []byte
	var path strings.Builder
	for i, n := range cells {
		if n.wide == right {
			continue
		}
		if svgShape(&path, n.r, left+float64(i)*svgCell, float64(svgEdge+y*svgLine)) {
			n.r = 0
		}
		text = c.text(text, n, false)
	}
	if path.Len() > 0 {
		fmt.Fprintf(b, `<path fill="%s" d="%s"/>`+"\n", colours.ink, path.String())
	}
	if strings.TrimSpace(string(text)) == "" {
		return
	}
	fmt.Fprintf(b, `<text x="%.2f" y="%.1f" textLength="%.2f" lengthAdjust="spacingAndGlyphs" fill="%s">%s</text>`+"\n",
		left, float64(svgEdge+y*svgLine)+13, width, colours.ink, html.EscapeString(string(text)))
}

// svgShape adds what braille and block elements consist of, which few fonts have in the width of their
// letters; it reports whether r is one of them. The bits of braille are
//
//	0 3
//	1 4
//	2 5
//	6 7
func svgShape(path *strings.Builder, r rune, x, y float64) bool {
	box := func(left, top, right, bottom float64) { // in parts of a cell
		fmt.Fprintf(path, "M%.2f %.2fH%.2fV%.2fH%.2fz",
			x+left*svgCell, y+top*svgLine, x+right*svgCell, y+bottom*svgLine, x+left*svgCell)
	}
	switch {
	case r > 0x2800 && r <= 0x28ff:
		for bit, at := range [8][2]float64{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {0, 3}, {1, 3}} {
			if (r-0x2800)>>bit&1 != 0 {
				box(at[0]/2+0.1, at[1]/4+0.05, at[0]/2+0.4, at[1]/4+0.2)
			}
		}
	case r >= '▁' && r <= '█':
		box(0, 1-float64(r-'▁'+1)/8, 1, 1)
	case r > '█' && r <= '▏':
		box(0, 0, float64('▏'-r+1)/8, 1)
	case r == '▀':
		box(0, 0, 1, 0.5)
	default:
		return false
	}
	return true
}
