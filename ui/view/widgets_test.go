package view

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"rsc.io/qr"
)

func TestText(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{Clean("a\x1b[31mb\tc\u202ed\u200be"), "a�[31mb cde"},
		{Clean("🇩🇪 👍🏽 e\u0301"), "DE 👍 e\u0301"},
		{Clean("\xffx\ue000\U0010ffff"), "�x��"},
		{Clean("राम"), "रम"},
		{Clean("e\u0301\u0302\u0303\u0304x"), "e\u0301\u0302x"},
		{Truncate("lab-rack", 8), "lab-rack"},
		{Truncate("lab-rack", 5), "lab-…"},
		{Truncate("日本語", 4), "日…"},
		{Truncate("x", 0), ""},
		{Middle("52:54:00:1a:22:01", 10), "52:54…2:01"},
		{Middle("lab-rack-7", 4), "la…7"},
		{Middle("日本語テキスト", 6), "日…ト"},
		{Pad("日本", 6) + "|", "日本  |"},
		{PadLeft("12 s", 6), "  12 s"},
		{
			strings.Join(Wrap("both sides are behind\nNATs  abcdefghijkl x", 10), "|"),
			"both sides|are behind|NATs|abcdefghij|kl x",
		},
		{strings.Join(Wrap("日本 x", 1), "|"), "日|本|x"},
		{strings.Join(Wrap("a\n\nb", 5), "|"), "a||b"},
		{strings.Join(Wrap("abc", 1), "|"), "a|b|c"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
	if s := Clean(strings.Repeat("\u0301", 1<<20)); s != "" {
		t.Errorf("marks alone leave %d bytes", len(s))
	}
	if n := len(Wrap(strings.Repeat("é", maxText), 1)); n != maxText/2 { // takes ages if it is quadratic
		t.Errorf("64 KiB are wrapped into %d lines, want %d", n, maxText/2)
	}
}

func TestUnits(t *testing.T) {
	nan := math.NaN()
	h := time.Hour
	for _, tc := range []struct{ got, want string }{
		{Rate(52.3e6, false), "418.4 Mb/s"},
		{Rate(52.3e6, true), "52.3 MB/s"},
		{Rate(112500, false), "900 kb/s"},
		{Rate(1125, false), "9.0 kb/s"},
		{Rate(0, false), "0 b/s"},
		{Rate(124.9e6, false), "999.2 Mb/s"},
		{Rate(124.99e6, false), "1.0 Gb/s"},
		{Rate(nan, false), "-"},
		{ShortRate(51.5e6, false), "412 Mb/s"},
		{ShortRate(425e3, false), "3.4 Mb/s"},
		{Bytes(8.1e9), "8.1 GB"},
		{Bytes(uint64(21e6)), "21 MB"},
		{Bytes(7.5e6), "7.5 MB"},
		{Bytes(804), "804 B"},
		{Bytes(31.2e9), "31.2 GB"},
		{Bytes(nan), "-"},
		{Count(41200), "41.2 k"},
		{Count(112000), "112 k"},
		{Count(9.4e6), "9.4 M"},
		{Count(402), "402"},
		{Count(1.2), "1.2"},
		{Count(0), "0"},
		{Count(999.7), "1.0 k"},
		{Short(600e6), "600M"},
		{Short(1500), "1.5k"},
		{Short(0), "0"},
		{Millis(0.0119), "11.9 ms"},
		{Millis(0.00004), "0.04 ms"},
		{Millis(12), "12.0 s"},
		{Millis(0), "0.0 ms"},
		{Percent(0.003), "0.3 %"},
		{Percent(nan), "-"},
		{Age(12 * time.Second), "12 s"},
		{Age(16*time.Minute + 59*time.Second), "16 min"},
		{Age(2*h + 14*time.Minute), "2 h 14 min"},
		{Age(76 * h), "3 d 04 h"},
		{Age(-h), "0 s"},
		{ShortAge(192 * time.Second), "3m12"},
		{ShortAge(44 * time.Second), "44 s"},
		{ShortAge(2*h + 4*time.Minute), "2h04"},
		{ShortAge(76 * h), "3d04"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
}

func TestSparkAndBar(t *testing.T) {
	nan := math.NaN()
	for _, tc := range []struct{ got, want string }{
		{Spark([]float64{0, 1, 2, 3, 4, 5, 6, 7}, 8, 0), "▁▂▃▄▅▆▇█"},
		{Spark([]float64{1, nan, 2}, 5, 2), "··▅·█"},
		{Spark([]float64{0, 4, nan, 8}, 2, 8), "▃█"},
		{Spark([]float64{0, 0}, 2, 0), "▁▁"},
		{Spark(nil, 3, 0), "···"},
		{Spark([]float64{99}, 1, 2), "█"},
		{Spark([]float64{1}, -1, 0), ""},
		{Bar(0.53125, 8), "████▎   "},
		{Bar(1, 3), "███"},
		{Bar(2, 3), "███"},
		{Bar(1e-9, 3), "▏  "},
		{Bar(0, 3), "   "},
		{Bar(nan, 3), "   "},
		{Bar(7.0/8, 1), "▉"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
}

// ramp goes up and down once.
func ramp(n int, top float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = top * (1 - math.Abs(float64(2*i-n))/float64(n))
	}
	return v
}

func TestAreaChart(t *testing.T) {
	c := NewCanvas(30, 7)
	AreaChart(c.Area(), ChartOptions{
		Up: ramp(48, 70e6), Down: append([]float64{math.NaN(), math.NaN(), math.NaN()}, ramp(20, 7e6)...),
		Factor: 8, X: []string{"-2m", "-1m", "now"},
	})
	golden(t, c.Plain(Look{}), `
	600M┤          ⣀⣤⣶⣶⣤⣀         |
	    │     ⢀⣠⣴⣶⣿⣿⣿⣿⣿⣿⣿⣿⣶⣦⣄⡀    |
	   0┼⣀⣀⣠⣴⣾⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣷⣦⣄⣀|
	    │   ⠈⠉⠙⠛⠿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⠿⠛⠉|
	    │         ⠛⠿⣿⣿⣿⣿⣿⣿⣿⡿⠿⠛    |
	 60M┤            ⠉⠙⠻⠟⠋⠁       |
	    └ -2m ───── -1m ───── now |
`)
	golden(t, c.Plain(Look{ASCII: true}), `
	600M+          .:##:.         |
	    |     .::##########::.    |
	   0+..::##################::.|
	    |   ..::################:.|
	    |         :##########:    |
	 60M+            .::::.       |
	    + -2m ----- -1m ----- now |
`)
}

func TestLineChart(t *testing.T) {
	c := NewCanvas(24, 4)
	v := ramp(30, 0.02)
	v[9] = math.NaN()
	for i := range v {
		v[i] += 0.038
	}
	LineChart(c.Area(), ChartOptions{Up: v, Factor: 1000, X: []string{"-5m", "now"}})
	golden(t, c.Plain(Look{}), `
	60┤       ⣀⡠⠤⠒⠒⠤⢄⣀      |
	45┤ ⢀⣀⠤⠔⠒⠁        ⠉⠑⠢⠤⣀⡀|
	30┤⠉⠁                  ⠈|
	  └ -5m ─────────── now |
`)
}

func TestScales(t *testing.T) {
	for v, want := range map[float64]float64{
		0: 1, -1: 1, 1: 1, 1.1: 2, 418e6: 500e6, 611e6: 800e6, 0.07: 0.08, 9: 10, math.Inf(1): 1,
	} {
		if got := nice(v); math.Abs(got-want) > want*1e-9 {
			t.Errorf("nice(%v) = %v, want %v", v, got, want)
		}
	}
	o := ChartOptions{Log: true}
	for v, want := range map[float64]float64{1e6: 1, 1e4: 0.5, 100: 0, 0: 0} {
		if got := o.fraction(v, 1e6); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v is at %v of a logarithmic scale, want %v", v, got, want)
		}
	}
	if lo, hi := (ChartOptions{Up: []float64{38, 58}}).span(); lo != 30 || hi != 60 {
		t.Errorf("38..58 is shown on %v..%v", lo, hi)
	}
	if lo, hi := (ChartOptions{Up: []float64{5}}).span(); !(lo <= 5 && hi >= 5 && lo < hi) {
		t.Errorf("5 is shown on %v..%v", lo, hi)
	}
}

// What is drawn is read back, module by module.
func TestQRCode(t *testing.T) {
	lines, err := QRCode("vxm1-k7qf")
	if err != nil {
		t.Fatal(err)
	}
	wide, err := QRCodeWide("vxm1-k7qf")
	if err != nil {
		t.Fatal(err)
	}
	want, err := qr.Encode("VXM1-K7QF", qr.L)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != (want.Size+2*quiet+1)/2 || len(wide) != want.Size+2*quiet {
		t.Fatalf("%d and %d lines for %d modules", len(lines), len(wide), want.Size)
	}
	for y := range want.Size + 2*quiet {
		for x := range want.Size + 2*quiet {
			glyph := []rune(lines[y/2])[x]
			upper := glyph == '▀' || glyph == '█'
			lower := glyph == '▄' || glyph == '█'
			got := []bool{upper, lower}[y%2]
			inside := x >= quiet && y >= quiet && x < quiet+want.Size && y < quiet+want.Size
			if w := !(inside && want.Black(x-quiet, y-quiet)); got != w ||
				([]rune(wide[y])[2*x] == '█') != w {
				t.Fatalf("module %d,%d: white is %v, want %v", x, y, got, w)
			}
		}
	}
	if _, err := QRCode(strings.Repeat("x", 1<<14)); err == nil {
		t.Error("16 KiB fit into a QR code")
	}
	th, err := ByName("ansi")
	if err != nil {
		t.Fatal(err)
	}
	c := NewCanvas(4, 1)
	c.Area().Print(0, 0, QR, "█ ██")
	if got, want := c.Render(Look{Theme: th, ASCII: true}),
		"\x1b[107m \x1b[0;97;40m \x1b[0;107m  \x1b[m"; got != want {
		t.Errorf("in ASCII: %q, want %q", got, want)
	}
}

var peers = TableOptions{
	Columns: []Column{
		{Title: "STATE", Min: 10},
		{Title: "NAME", Min: 8, Max: 20, Middle: true, Flex: true},
		{Title: "RTT", Min: 8, Right: true, Priority: 3},
		{Title: "ENDPOINT", Min: 12, Priority: 2, Flex: true},
		{Title: "VER", Priority: 1},
	},
	Rows: 4, Cursor: 1, Sort: 1,
	Row: func(i int) []Cell {
		return [][]Cell{
			{{"● direct", Good}, {"nas", Text}, {"0.4 ms", Text}, {"192.168.1.20:42420", Text}, {"0.9.2", Dim}},
			{{"◐ relayed", Relay}, {"a-very-long-name-of-a-peer", Text}, {"41.0 ms", Text}, {"via nas", Text}},
			{{"○ down", Dim}, {"日本語", Text}},
			{{"✖ error", Alarm}, {"x\ny", Text}, {"-", Text}, {"-", Text}, {"0.9.1", Dim}},
		}[i]
	},
	Marked: func(i int) bool { return i == 2 },
	Zone:   func(i int) any { return i },
}

func TestTable(t *testing.T) {
	c := NewCanvas(70, 12)
	rows := c.Area().Rows(4, 4, 4)
	if top := Table(rows[0], peers); top != 0 {
		t.Errorf("top %d, want 0", top)
	}
	narrow := peers
	narrow.Cursor, narrow.Reverse = 3, true
	if top := Table(rows[1].Sub(0, 0, 40, 4), narrow); top != 1 {
		t.Errorf("top %d, want 1", top)
	}
	narrow.Top, narrow.Cursor, narrow.Sort = 9, -1, -1
	if top := Table(rows[2].Sub(0, 0, 16, 4), narrow); top != 1 {
		t.Errorf("top %d, want 1", top)
	}
	golden(t, c.Plain(Look{}), `
	  STATE       NAME ▴                     RTT  ENDPOINT         VER    |
	  ● direct    nas                     0.4 ms  192.168.1.20:4…  0.9.2  |
	▌ ◐ relayed   a-very-lon…of-a-peer   41.0 ms  via nas                 |
	 •○ down      日本語                                                  |
	  STATE       NAME ▾                 RTT                              |
	  ◐ relayed   a-very-l…-a-peer   41.0 ms                              |
	 •○ down      日本語                                                  |
	▌ ✖ error     x y                      -                              |
	  STATE  NAME                                                         |
	  ◐ rel… a-v…eer                                                      |
	 •○ down 日本語                                                       |
	  ✖ err… x y                                                          |
`)
	if id, _, _, _ := c.At(5, 2); id != 1 {
		t.Errorf("the second row is %v", id)
	}
	wellFormed(t, c, Look{})
}

// Only rows that can be seen are asked for, whatever the number of rows.
func TestTableIsVirtual(t *testing.T) {
	var asked []int
	o := TableOptions{Columns: []Column{{Title: "N"}}, Rows: 1 << 30, Cursor: 1 << 29, Sort: -1}
	o.Row = func(i int) []Cell {
		asked = append(asked, i)
		return nil
	}
	top := Table(NewCanvas(10, 4).Area(), o)
	if want := []int{1<<29 - 2, 1<<29 - 1, 1 << 29}; top != want[0] || !slices.Equal(asked, want) {
		t.Errorf("top %d, rows %v, want %v", top, asked, want)
	}
	if top := Table(NewCanvas(10, 0).Area(), o); top < 0 {
		t.Errorf("top %d without a line", top)
	}
}

// A number with one more digit moves no column.
func TestTableIsStable(t *testing.T) {
	frame := func(rtt string) string {
		o := peers
		o.Row = func(int) []Cell { return []Cell{{"x", Text}, {"y", Text}, {rtt, Text}, {"END", Text}} }
		c := NewCanvas(60, 5)
		Table(c.Area(), o)
		return c.Plain(Look{})
	}
	if a, b := frame("9 ms"), frame("10.00 ms"); strings.Index(a, "END") != strings.Index(b, "END") {
		t.Errorf("columns moved:\n%s\n%s", a, b)
	}
}

func TestThemes(t *testing.T) {
	if _, err := ByName("pink"); err == nil || !strings.Contains(err.Error(), "ansi") {
		t.Errorf("unknown theme: %v", err)
	}
	for _, name := range Names() {
		th, err := ByName(name)
		if err != nil || th.String() != name {
			t.Errorf("%s: %v, %v", name, th, err)
		}
		for r := range roleCount {
			sgr := th.style(r).sgr
			indexed := strings.Contains(sgr, "38;") || strings.Contains(sgr, "48;")
			if name == "ansi" && indexed {
				t.Errorf("ansi has %q for role %d: that is none of the 16 colours", sgr, r)
			}
			if name == "ansi" && r < QR && strings.Contains(sgr, "4") && r != Input {
				t.Errorf("ansi has %q for role %d: that is a background", sgr, r)
			}
			for p := range strings.SplitSeq(sgr, ";") {
				if name == "mono" && r < QR && !slices.Contains([]string{"", "1", "2", "7"}, p) {
					t.Errorf("mono has %q for role %d", sgr, r)
				}
			}
		}
		if !th.style(Selected).blanks || !th.style(QR).blanks || th.style(Good).blanks {
			t.Errorf("%s: what shows on blanks is not known", name)
		}
	}
}
