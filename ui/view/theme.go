package view

import (
	"fmt"
	"strings"
)

// A Role says what a cell means; a [Theme] says how that looks.
type Role uint8

// The roles. The zero Role is running text.
const (
	Text     Role = iota
	Dim           // what matters less: units, gone peers
	Title         // of boxes and columns
	Border        // of boxes, axes of charts
	Focus         // the border of the box that has the keyboard
	Accent        // what to look at first
	Key           // keys in hints
	Good          // direct
	Relay         // relayed
	Warn          // degraded
	Bad           // failed
	Alarm         // an error that needs somebody
	Selected      // the cursor's row, the open tab
	Chart1        // the first series: received
	Chart2        // the second series: sent
	Input         // what is being typed
	QR            // always black on white: its glyphs are the white parts
	qrWhite       // a white part of a QR code where there are no blocks to draw it
	roleCount
)

// A Theme gives every [Role] its colours. The zero Theme has none at all. Themes are comparable.
type Theme struct{ t *theme }

type theme struct {
	name   string
	styles [roleCount]style
}

// A style is the parameters of an SGR sequence (ECMA-48, 8.3.117), as in ESC [ 1;36 m.
type style struct {
	sgr    string
	blanks bool // it can be seen on blanks, too: reverse, underlined or with a background
}

// A Look is everything that a frame depends on besides what it shows. The zero Look is plain.
type Look struct {
	Theme Theme
	ASCII bool // no character above 0x7e
	Bytes bool // rates in bytes instead of bits
}

// palette holds SGR parameters by role. Roles that are left out are the terminal's default.
type palette map[Role]string

// Solarized shows bright black as its background: what matters less is faint, not grey.
var themes = []*theme{
	newTheme("ansi", palette{
		Dim: "2", Title: "1", Border: "2", Focus: "1;36", Accent: "1;36", Key: "1",
		Good: "32", Relay: "36", Warn: "1;33", Bad: "1;31", Alarm: "7;31", Selected: "7",
		Chart1: "32", Chart2: "35", Input: "4", QR: "97;40", qrWhite: "107",
	}),
	newTheme("dark", palette{
		Text: "38;5;252", Dim: "38;5;245", Title: "1;38;5;255", Border: "38;5;240",
		Focus: "38;5;75", Accent: "1;38;5;81", Key: "1;38;5;153", Good: "38;5;114",
		Relay: "38;5;80", Warn: "1;38;5;221", Bad: "1;38;5;203", Alarm: "1;38;5;231;48;5;160",
		Selected: "1;38;5;255;48;5;238", Chart1: "38;5;114", Chart2: "38;5;176",
		Input: "38;5;255;48;5;236", QR: "38;5;231;48;5;16", qrWhite: "48;5;231",
	}),
	newTheme("light", palette{
		Text: "38;5;235", Dim: "38;5;243", Title: "1;38;5;232", Border: "38;5;249",
		Focus: "38;5;25", Accent: "1;38;5;25", Key: "1;38;5;24", Good: "38;5;28",
		Relay: "38;5;30", Warn: "1;38;5;130", Bad: "1;38;5;160", Alarm: "1;38;5;231;48;5;160",
		Selected: "1;38;5;232;48;5;252", Chart1: "38;5;28", Chart2: "38;5;90",
		Input: "38;5;232;48;5;254", QR: "38;5;231;48;5;16", qrWhite: "48;5;231",
	}),
	// Okabe and Ito's colours, which people with any kind of colour vision tell apart.
	newTheme("cb", palette{
		Dim: "2", Title: "1", Border: "2", Focus: "1;38;2;86;180;233",
		Accent: "1;38;2;86;180;233", Key: "1", Good: "38;2;0;114;178", Relay: "38;2;86;180;233",
		Warn: "1;38;2;230;159;0", Bad: "1;38;2;213;94;0", Alarm: "7;38;2;213;94;0",
		Selected: "7", Chart1: "38;2;86;180;233", Chart2: "38;2;230;159;0", Input: "4",
		QR: "38;2;255;255;255;48;2;0;0;0", qrWhite: "48;2;255;255;255",
	}),
	newTheme("mono", palette{
		Dim: "2", Title: "1", Border: "2", Focus: "1", Accent: "1", Key: "1", Warn: "1",
		Bad: "1", Alarm: "1;7", Selected: "7", Chart2: "2", Input: "7",
		QR: "97;40", qrWhite: "107", // a scanner needs them whatever one likes to look at
	}),
}

func newTheme(name string, p palette) *theme {
	t := &theme{name: name}
	for r, sgr := range p {
		t.styles[r] = style{sgr, onBlanks(sgr)}
	}
	return t
}

// onBlanks looks for a parameter that is not about the foreground alone.
func onBlanks(sgr string) bool {
	skip := 0
	for p := range strings.SplitSeq(sgr, ";") {
		switch {
		case skip > 0:
			skip--
		case p == "38": // 38;5;n, 38;2;r;g;b
			skip = 2
			if strings.Contains(sgr, "38;2;") {
				skip = 4
			}
		case p != "1" && p != "2" && (len(p) != 2 || p[0] != '3' && p[0] != '9'):
			return true
		}
	}
	return false
}

// ByName returns a theme of [Names].
func ByName(name string) (Theme, error) {
	for _, t := range themes {
		if t.name == name {
			return Theme{t}, nil
		}
	}
	return Theme{}, fmt.Errorf("unknown theme %q: there are %s", name, strings.Join(Names(), ", "))
}

// Names lists the themes; the first one suits every terminal.
func Names() []string {
	names := make([]string, len(themes))
	for i, t := range themes {
		names[i] = t.name
	}
	return names
}

// String is the theme's name; the zero Theme has none.
func (t Theme) String() string {
	if t.t == nil {
		return ""
	}
	return t.t.name
}

func (t Theme) style(r Role) style {
	if t.t == nil || r >= roleCount {
		return style{}
	}
	return t.t.styles[r]
}
