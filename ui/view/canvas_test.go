package view

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// hostile holds what names and log lines must not do to a terminal, and what is hard to measure.
var hostile = []string{
	"", "plain", "\x1b[31mred\x1b[0m", "\x1b]0;title\a", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
	"\x1bP+q\x1b\\", "\u009b31m", "\x9b31m", "a\nb\r\nc", "tab\tbed", "\b\b\b", "\x00\x7f",
	"\u202egpj.exe", "\u2066x\u2069", "a\u200db", "zero\u200bwidth\ufeff",
	"e\u0301\u0301\u0301\u0301\u0301",
	"\u0301lead", "日本語テキスト", "ｆｕｌｌ", "한글", "\u1112\u1161\u11ab", "\u1100가", "👩‍👩‍👧‍👦 family", "👍🏽",
	"🏽", "🇩🇪🇫🇷🇩", "❤️", "1️⃣", "नमस्ते", "क्षत्रिय", "ที่นี่", "น้ำ", "\xff\xfe", "ok\xc3", "\xe2\x82",
	"\u2028sep\u2029", "\u3000", "\u00a0", "\u115f\u1160\u3164",
	"\u034f", "\U000e0041", "\u0600a", "\ue000",
	"● ◐ ▲ ◌ ○ ✖ ‖ ↓ ↑ … ⏎ ⇥ ⌫ ⇄ →", "┌─┐│▌█▎⣿⠛", "𝔘𝔫𝔦", "\u0e33", "\u0d4e\u0d15", "ﷺ", "⸻",
}

var sgr = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// wellFormed checks the one promise that everything else rests on.
func wellFormed(t *testing.T, c *Canvas, l Look) {
	t.Helper()
	w, h := c.Size()
	out := c.Render(l)
	if got := ansi.Strip(out); got != c.Plain(l) && !(l.ASCII && l.Theme.t != nil) {
		t.Fatalf("stripped %q, plain %q", got, c.Plain(l))
	}
	lines := strings.Split(out, "\n")
	if want := max(h, 1); len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	for _, line := range lines {
		text := sgr.ReplaceAllString(line, "")
		if got, wc := ansi.StringWidth(line), ansi.StringWidthWc(text); h > 0 && (got != w || wc != w) {
			t.Fatalf("%q is %d columns wide, %d by wcwidth, want %d", line, got, wc, w)
		}
		if sgr.MatchString(line) && !strings.HasSuffix(line, "\x1b[m") && !l.ASCII {
			if last := sgr.FindAllString(line, -1); last[len(last)-1] != "\x1b[m" {
				t.Fatalf("%q is not reset", line)
			}
		}
		for _, r := range text {
			if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) ||
				l.ASCII && r > 0x7e {
				t.Fatalf("%U in %q", r, line)
			}
		}
		if !utf8.ValidString(text) {
			t.Fatalf("%q is no UTF-8", text)
		}
	}
}

func looks(t testing.TB) []Look {
	all := []Look{{}, {ASCII: true}}
	for _, name := range Names() {
		th, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Look{Theme: th}, Look{Theme: th, ASCII: true})
	}
	return all
}

// scribble draws with everything there is, in places that follow from the seed.
func scribble(a Area, rnd *rand.Rand, s string) {
	w, h := a.Size()
	at := func(n int) int { return rnd.IntN(n+6) - 3 }
	r := Role(rnd.IntN(int(roleCount)))
	sub := a.Sub(at(w), at(h), at(w), at(h))
	values := []float64{1, math.NaN(), rnd.NormFloat64() * 1e6, 0, math.Inf(1), 3, 1e308, -7}
	switch rnd.IntN(11) {
	case 0, 1, 2:
		sub.Print(at(w), at(h), r, s)
	case 3:
		Box(sub, BoxOptions{Title: s, Right: s, Focused: rnd.IntN(2) == 0})
	case 4:
		sub.PrintRight(at(h), r, s)
		sub.PrintCenter(at(h), r, s)
	case 5:
		sub.Clear()
	case 6:
		sub.Style(at(w), at(h), at(w), r)
	case 7:
		AreaChart(sub, ChartOptions{Up: values, Down: values[2:], X: []string{s, "now"}, Log: at(1) > 0})
	case 8:
		LineChart(sub, ChartOptions{Up: values, Label: func(float64) string { return s }})
	case 9:
		Table(sub, TableOptions{
			Columns: []Column{{Title: s, Flex: true}, {Title: "N", Right: true, Priority: 1}},
			Rows:    9, Cursor: at(9), Sort: 0, Empty: s,
			Row: func(i int) []Cell { return []Cell{{s, r}, {Count(float64(i)), r}, {s, r}} },
		})
	case 10:
		sub.Fill(r, []rune(s + " ")[0])
	}
}

func TestHostileText(t *testing.T) {
	all := looks(t)
	for i := range 3000 {
		rnd := rand.New(rand.NewPCG(1, uint64(i)))
		c := NewCanvas(rnd.IntN(30), rnd.IntN(8))
		for range 12 {
			scribble(c.Area(), rnd, hostile[rnd.IntN(len(hostile))]+hostile[rnd.IntN(len(hostile))])
		}
		wellFormed(t, c, all[i%len(all)])
	}
}

// alike are blocks in which one character is like another.
func alike(from rune) bool {
	return from > 0x3400 && from < 0x9f00 || from > 0xac00 && from < 0xd700 ||
		from > 0xe000 && from < 0xf800 || from > 0x17000 && from < 0x18a00 ||
		from > 0x20000 && from&0xff00 != 0
}

// Every character that there is, beside those that it may join.
func TestEveryCharacter(t *testing.T) {
	for from := rune(0); from <= unicode.MaxRune; from += 0x100 {
		if alike(from) {
			continue
		}
		c := NewCanvas(16, 0x100)
		for i := range rune(0x100) {
			s := string(from + i)
			x := c.Area().Print(0, int(i), Text, "क"+s+"कa"+s+s+"\u1100"+s)
			c.Area().Print(x, int(i), Text, s)
		}
		wellFormed(t, c, Look{})
		wellFormed(t, c, Look{ASCII: true})
	}
}

// The short way and the long one lead to the same.
func TestCommonCharacters(t *testing.T) {
	for r := rune(0); r < 0x10000; r++ {
		w := common(r)
		if shown, width := measure(r); w > 0 && (shown != r || width != w) {
			t.Errorf("%U is %d columns wide, shown as %U: it is not common", r, width, shown)
		}
	}
}

func FuzzCanvas(f *testing.F) {
	for i, s := range hostile {
		f.Add(s, 12, 3, uint64(i))
	}
	all := looks(f)
	f.Fuzz(func(t *testing.T, s string, w, h int, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		c := NewCanvas(w%120, h%40)
		for range 5 {
			scribble(c.Area(), rnd, s)
		}
		wellFormed(t, c, all[seed%uint64(len(all))])
		clean := Clean(s)
		if Clean(clean) != clean && len(s) < maxText/4 {
			t.Errorf("%q is cleaned to %q and then to %q", s, clean, Clean(clean))
		}
		for _, n := range []int{0, 1, 2, 7} {
			if got := Width(Truncate(s, n)); got > n {
				t.Errorf("Truncate(%q, %d) is %d wide", s, n, got)
			}
			if got := Width(Middle(s, n)); got > n {
				t.Errorf("Middle(%q, %d) is %d wide", s, n, got)
			}
			if l, r := Width(Pad(s, n)), Width(PadLeft(s, n)); l != n || r != n {
				t.Errorf("%q padded to %d is %d and %d wide", s, n, l, r)
			}
			for _, line := range Wrap(s, n) {
				wide := n == 1 && utf8.RuneCountInString(line) <= 1+maxMarks
				if Width(line) > n && !wide {
					t.Errorf("Wrap(%q, %d) has %q", s, n, line)
				}
			}
		}
	})
}

// golden compares a frame with lines that are indented by a tab and end with |.
func golden(t *testing.T, got, want string) {
	t.Helper()
	want = strings.ReplaceAll(strings.Trim(want, "\n"), "\n\t", "\n")
	if got = strings.ReplaceAll(got, "\n", "|\n") + "|"; got != strings.TrimPrefix(want, "\t") {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestOverwriteWide(t *testing.T) {
	for _, tc := range []struct {
		x    int
		s    string
		want string
	}{
		{0, "x", "x 本語"},
		{1, "x", " x本語"},
		{1, "字", " 字 語"},
		{0, "字", "字本語"},
		{5, "字", "日本  "},
		{-1, "字", "  本語"},
		{2, "xy", "日xy語"},
	} {
		c := NewCanvas(6, 1)
		c.Area().Print(0, 0, Text, "日本語")
		c.Area().Print(tc.x, 0, Text, tc.s)
		if got := c.Plain(Look{}); got != tc.want {
			t.Errorf("%q at %d: %q, want %q", tc.s, tc.x, got, tc.want)
		}
		wellFormed(t, c, Look{})
	}
}

func TestPrintReturnsNextColumn(t *testing.T) {
	a := NewCanvas(10, 1).Area()
	if x := a.Spans(1, 0, Cell{"日", Good}, Cell{"e\u0301x", Dim}); x != 5 {
		t.Errorf("after 日éx: %d, want 5", x)
	}
	if x := a.Print(8, 0, Text, "abc"); x < 10 {
		t.Errorf("after a clipped text: %d, want at least 10", x)
	}
}

func TestZones(t *testing.T) {
	c := NewCanvas(20, 5)
	a := c.Area()
	a.Zone("all")
	list := a.Sub(2, 1, 10, 3)
	list.Sub(0, -1, 10, 3).Zone("row")
	dialog := a.Sub(4, 2, 4, 1)
	dialog.Clear()
	dialog.Sub(1, 0, 1, 1).Zone("button")
	for _, tc := range []struct {
		x, y   int
		id     any
		zx, zy int
	}{
		{0, 0, "all", 0, 0},
		{2, 1, "row", 0, 1},
		{11, 2, "row", 9, 2},
		{12, 2, "all", 12, 2},
		{2, 3, "all", 2, 3},
		{5, 2, "button", 0, 0},
		{4, 2, nil, 0, 0},
		{20, 0, nil, 0, 0},
		{-1, 0, nil, 0, 0},
	} {
		id, zx, zy, ok := c.At(tc.x, tc.y)
		if id != tc.id || ok != (tc.id != nil) || ok && (zx != tc.zx || zy != tc.zy) {
			t.Errorf("at %d,%d: %v %d,%d %v, want %v %d,%d", tc.x, tc.y, id, zx, zy, ok, tc.id, tc.zx, tc.zy)
		}
	}
}

func TestAreas(t *testing.T) {
	a := NewCanvas(10, 9).Area()
	sizes := func(areas ...Area) string {
		var b strings.Builder
		for _, a := range areas {
			fmt.Fprintf(&b, "%d,%d+%dx%d ", a.x, a.y, a.w, a.h)
		}
		return strings.TrimSpace(b.String())
	}
	top, rest := a.SplitTop(20)
	first, last := a.SplitRight(3)
	for _, tc := range []struct{ got, want string }{
		{sizes(top, rest), "0,0+10x9 0,9+10x0"},
		{sizes(first, last), "0,0+7x9 7,0+3x9"},
		{sizes(a.Rows(2, -1, 3, -1)...), "0,0+10x2 0,2+10x2 0,4+10x3 0,7+10x2"},
		{sizes(a.Rows(8, 8, -1)...), "0,0+10x8 0,8+10x1 0,9+10x0"},
		{sizes(a.Cols(-1, -1, -1)...), "0,0+3x9 3,0+3x9 6,0+4x9"},
		{sizes(a.Inset(6, 0, 6, 0), a.Center(4, 3), a.Center(99, 99)), "6,0+0x9 3,3+4x3 0,0+10x9"},
		{sizes(a.Sub(-2, -2, 5, 5)), "-2,-2+5x5"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s, want %s", tc.got, tc.want)
		}
	}
	Area{}.Print(0, 0, Text, "nowhere")
	Area{}.Clear()
}

func TestBox(t *testing.T) {
	c := NewCanvas(46, 3)
	cols := c.Area().Cols(24, 12, 10)
	Box(cols[0], BoxOptions{Title: "Peers", Right: "2"}).Print(0, 0, Text, "● nas")
	Box(cols[1], BoxOptions{Title: "A title too long", Right: "2", Focused: true})
	Box(cols[2], BoxOptions{})
	golden(t, c.Plain(Look{}), `
	┌─ Peers ────────── 2 ─┐┏━ A tit… ━┓┌────────┐|
	│ ● nas                │┃          ┃│        │|
	└──────────────────────┘┗━━━━━━━━━━┛└────────┘|
`)
	golden(t, c.Plain(Look{ASCII: true}), `
	+- Peers ---------- 2 -++= A tit. =++--------+|
	| * nas                ||          ||        ||
	+----------------------++==========++--------+|
`)
}

func TestRenderIsMinimal(t *testing.T) {
	ansiTheme, err := ByName("ansi")
	if err != nil {
		t.Fatal(err)
	}
	c := NewCanvas(12, 2)
	c.Area().Spans(1, 0, Cell{"ab", Good}, Cell{" ", Text}, Cell{"cd", Good}, Cell{"e", Relay},
		Cell{"f", Text})
	c.Area().Print(0, 1, Text, "x")
	c.Area().Style(0, 1, 3, Selected)
	want := " \x1b[32mab cd\x1b[0;36me\x1b[mf    \n\x1b[7mx  \x1b[m         "
	if got := c.Render(Look{Theme: ansiTheme}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func BenchmarkRender(b *testing.B) {
	c := NewCanvas(200, 60)
	busy(c)
	for _, l := range looks(b) {
		b.Run(fmt.Sprintf("%s,ascii=%v", l.Theme, l.ASCII), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Render(l)
			}
		})
	}
}

// busy fills a canvas with changing roles and glyphs.
func busy(c *Canvas) {
	w, h := c.Size()
	for y := range h {
		for x := 0; x < w; x += 8 {
			c.Area().Print(x, y, Role((x/8+y)%int(roleCount)), "● ab⣿█12")
		}
	}
}

func TestRenderAllocates(t *testing.T) {
	c := NewCanvas(200, 60)
	busy(c)
	l := looks(t)[4]
	if n := testing.AllocsPerRun(10, func() { c.Render(l) }); n > 4 {
		t.Errorf("a frame of 200x60 takes %v allocations", n)
	}
}
