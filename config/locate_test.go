package config

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

func TestLocate(t *testing.T) {
	text := strings.Join([]string{
		`top = 1`,                         // 1
		`[ a . "b c" ]`,                   // 2
		`x.y = "v" # c`,                   // 3
		`list = [1, [2, 3], # c ]`,        // 4
		`  { k = '''`,                     // 5
		`]''', l = 1979-05-27 07:32:00 }`, // 6
		`]`,                               // 7
		`[[t]]`,                           // 8
		`[[t]]`,                           // 9
		`k = true`,                        // 10
		`[t.sub]`,                         // 11
		`"\u0071" = 'é'`,                  // 12
	}, "\n")
	d := newDocument("x", text, nil)
	d.root = locate(text)
	for _, c := range []struct {
		path       string
		line, col  int
		key, value string
	}{
		{"top", 1, 1, "top", "1"},
		{"a.b c", 2, 1, `[ a . "b c" ]`, `[ a . "b c" ]`},
		{"a.b c.x.y", 3, 1, "x.y", `"v"`},
		{"a.b c.list[0]", 4, 9, "1", "1"},
		{"a.b c.list[1][1]", 4, 16, "3", "3"},
		{"a.b c.list[2].l", 6, 7, "l", "1979-05-27 07:32:00"},
		{"t[0]", 8, 1, "[[t]]", "[[t]]"},
		{"t[1].k", 10, 1, "k", "true"},
		{"t[1].sub.q", 12, 1, `"\u0071"`, "'é'"},
	} {
		s, exact := d.find(c.path)
		if !exact {
			t.Errorf("%s: not found", c.path)
			continue
		}
		line, col, _ := d.position(s.key)
		key, value := text[s.key.start:s.key.end], text[s.value.start:s.value.end]
		if line != c.line || col != c.col || key != c.key || value != c.value {
			t.Errorf("%s: %d:%d %s = %s, want %d:%d %s = %s",
				c.path, line, col, key, value, c.line, c.col, c.key, c.value)
		}
	}
	if _, exact := d.find("t[0].k"); exact {
		t.Error("t[0].k was found, but only t[1] has it")
	}
}

func TestPositionCountsCharacters(t *testing.T) {
	d := newDocument("x", "a\néé = \"ü\"\n", nil)
	line, col, width := d.position(span{strings.Index(d.text, `"`), len(d.text) - 1})
	if line != 2 || col != 6 || width != 3 {
		t.Errorf("got %d:%d width %d, want 2:6 width 3", line, col, width)
	}
}

// FuzzLocate checks that a document the decoder takes has a spot for every key and value, and
// that no text at all makes the locator panic, hang or point outside.
func FuzzLocate(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		root := locate(text)
		checkSpans(t, text, root)
		var raw map[string]any
		if strings.HasPrefix(text, "\ufeff") || !utf8.ValidString(text) {
			return // Parse has seen to both before
		}
		if _, err := toml.Decode(text, &raw); err == nil {
			checkShape(t, raw, root, "")
		}
	})
}

func checkSpans(t *testing.T, text string, s *spot) {
	t.Helper()
	for _, sp := range []span{s.key, s.value} {
		if sp.start < 0 || sp.end < sp.start || sp.end > len(text) {
			t.Fatalf("span %v of %d bytes", sp, len(text))
		}
	}
	for _, k := range s.kids {
		checkSpans(t, text, k)
	}
	for _, e := range s.elems {
		checkSpans(t, text, e)
	}
}

// checkShape fails when the tree of spots has not the shape of the decoded value.
func checkShape(t *testing.T, v any, s *spot, path string) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		if len(v) != len(s.kids) {
			t.Fatalf("%s: %d keys, %d spots", path, len(v), len(s.kids))
		}
		for k, e := range v {
			// Below a key without a name the decoder itself loses its way.
			if k != "" {
				checkShape(t, e, s.kids[k], path+"."+k)
			}
		}
	case []map[string]any:
		checkElems(t, v, s, path)
	case []any:
		checkElems(t, v, s, path)
	}
}

func checkElems[E any](t *testing.T, list []E, s *spot, path string) {
	t.Helper()
	if len(list) != len(s.elems) {
		t.Fatalf("%s: %d elements, %d spots", path, len(list), len(s.elems))
	}
	for i, e := range list {
		checkShape(t, e, s.elems[i], path+"[]")
	}
}
