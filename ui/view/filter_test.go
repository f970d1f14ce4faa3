package view

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// record is a peer with its fields in words and numbers.
type record map[string]any

func (r record) Text() string {
	return strings.Join([]string{r["name"].(string), r["mac"].(string), r["state"].(string)}, " ")
}

func (r record) Field(key string) (string, float64, bool) {
	switch v := r[key].(type) {
	case string:
		return v, math.NaN(), true
	case float64:
		return Short(v), v, true
	}
	return "", 0, false
}

var nas = record{
	"name": "nas Two", "mac": "52:54:00:1a:22:01", "state": "direct", "rtt": 50.0, "rx": 1.5e6, "vlan": 10.0,
}

func TestFilter(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "  ": true, "NAS": true, "nas two": true, "two nas": true, `"nas two"`: true,
		`"two nas"`: false, "!nas": false, "!!nas": true, "!office": true, "nas office": false,
		"/^nas/": true, "/NAS.*direct$/": true, "!/^nas/": false, `/a\/b/`: false, "/two 5/": true,
		"state:direct": true, "state:relayed,DIR": true, "state:relayed": false, "STATE:direct": true,
		"!state:relayed": true, "state=direct": true, "state=dir": false, `name:"s two",x`: true,
		"name:nas,": true, "vlan:10": true, "vlan:1": false, "vlan=10": true, "none:x": false,
		"!none:x": true, "rtt>50": false, "rtt>=50": true, "rtt<51": true, "rtt<=49.9": false,
		"rx>1M": true, "rx>1.5M": false, "rtt>3%": true, "name>1": false, "none<1": false,
		"52:54:00": true, "1a:22": true, "fe:dc": false, "fd42::1": false, "::1": false, "mac:1a:22": true,
		"-> nas": false, "<x": false,
	} {
		f, err := ParseFilter(s)
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		if got := f.Match(nas); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
		if f.Empty() != (strings.TrimSpace(s) == "") {
			t.Errorf("%q: empty is %v", s, f.Empty())
		}
	}
}

func TestFilterErrors(t *testing.T) {
	for s, want := range map[string]string{
		"nas !":         "column 6: ! wants a term after it, without a blank",
		"ü port:":       "column 8: port: wants a value after it",
		"port:,":        "column 6: port: wants a value after it",
		"rtt>":          "column 5: rtt> wants a number after it, such as 50 or 1.5M",
		"rtt>nan":       "column 5: rtt> wants a number after it, such as 50 or 1.5M",
		"rtt>1e300G":    "column 5: rtt> wants a number after it, such as 50 or 1.5M",
		"x >5":          "column 3: a comparison wants a key before it, as in rtt>50",
		"/nas":          "column 5: a regular expression ends with /",
		`/nas\/`:        "column 7: a regular expression ends with /",
		"//":            "column 2: the regular expression is empty",
		"/a/b":          "column 4: a blank must follow the / of a regular expression",
		"!/a(/":         "column 3: missing closing ) in a(",
		`"nas`:          `column 5: a " is missing`,
		`""`:            "column 1: there is nothing between the quotes",
		"a\xff":         "column 2: this is not a character",
		"state:x prt:y": `column 9: unknown key "prt": did you mean port?`,
		"!zzzzzz>1":     `column 1: unknown key "zzzzzz": there are port, state, rtt`,
	} {
		f, err := ParseFilter(s)
		if err == nil {
			err = f.Check([]string{"port", "state", "rtt"})
		}
		if e, ok := errors.AsType[*FilterError](err); !ok || e.Error() != want {
			t.Errorf("%q: %v, want %s", s, err, want)
		}
	}
	if _, err := ParseFilter(strings.Repeat("x", maxFilter+1)); err == nil {
		t.Error("a filter may be as long as one likes")
	}
	if f, _ := ParseFilter("state:x /a/ b"); f.Check([]string{"state"}) != nil {
		t.Error("a known key is refused")
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		"", `a "b c" !d`, "/x y/ port:nas,b", "rtt>50 rx<=1.5M", "!!/a\\/b/", "52:54:00", `k:"a,b",c`, "! ", "/[/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		filter, err := ParseFilter(s)
		if err != nil {
			e, ok := errors.AsType[*FilterError](err)
			if !ok || e.Column < 1 || e.Column > len(s)+1 || Clean(err.Error()) != err.Error() {
				t.Fatalf("%q: error %q", s, err)
			}
			return
		}
		again, err := ParseFilter(filter.String())
		if err != nil || again.String() != filter.String() || len(again.terms) != len(filter.terms) {
			t.Fatalf("%q is %q and then %q, %v", s, filter, again, err)
		}
		for _, r := range []record{nas, {"name": s, "mac": "", "state": ""}} {
			if filter.Match(r) != again.Match(r) {
				t.Fatalf("%q and %q do not match alike", s, filter)
			}
		}
	})
}
