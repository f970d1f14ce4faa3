package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/internal/suggest"
)

// A badValue is why one value is refused, and what to write instead.
type badValue struct{ problem, hint string }

func (b *badValue) Error() string { return b.problem }

func bad(hint, format string, args ...any) error {
	return &badValue{problem: fmt.Sprintf(format, args...), hint: hint}
}

// scanners read the types of other packages.
var scanners = map[reflect.Type]func(v reflect.Value, raw any) error{
	reflect.TypeFor[time.Duration](): scanDuration,
	reflect.TypeFor[netip.Addr]():    scanAddr,
	reflect.TypeFor[netip.Prefix]():  scanPrefix,
}

// scanBasic reads strings, enums, booleans and whole numbers.
func scanBasic(v reflect.Value, raw any) error {
	switch v.Kind() {
	case reflect.String:
		return scanText(v, raw)
	case reflect.Bool:
		b, ok := raw.(bool)
		if !ok {
			return bad("", "expected true or false, found %s", kindOf(raw))
		}
		v.SetBool(b)
		return nil
	}
	n, ok := raw.(int64)
	switch {
	case !ok:
		return bad("", "expected a whole number, found %s", kindOf(raw))
	case v.CanInt() && !v.OverflowInt(n):
		v.SetInt(n)
	case v.CanUint() && n >= 0 && !v.OverflowUint(uint64(n)):
		v.SetUint(uint64(n))
	default:
		return bad("", "%d is out of range", n)
	}
	return nil
}

// scanText reads a string or one of an enum's.
func scanText(v reflect.Value, raw any) error {
	s, err := scanString(raw)
	if err != nil {
		return err
	}
	if e, ok := v.Interface().(enum); ok && !slices.Contains(e.values(), s) {
		return badChoice(s, e.values())
	}
	v.SetString(s)
	return nil
}

func scanString(raw any) (string, error) {
	s, ok := raw.(string)
	if !ok {
		return "", bad("", "expected a string, found %s", kindOf(raw))
	}
	// A control character has no place in a name, a path or an address, and would reach the logs.
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return "", bad("", "%q has a control character in it", s)
	}
	return s, nil
}

func badChoice(got string, choices []string) error {
	hint := ""
	if near := suggest.Nearest(got, choices); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return bad(hint, "%q is not one of %s", got, quoteList(choices))
}

// quoteList writes "a", "b" or "c".
func quoteList(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

func scanDuration(v reflect.Value, raw any) error {
	if n, ok := raw.(int64); ok {
		return bad(fmt.Sprintf("write \"%ds\"", n), "a duration is a string with a unit")
	}
	s, err := scanString(raw)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return bad(`write it like "90s", "5m" or "1h30m"`, "%q is not a duration", s)
	}
	if d < 0 {
		return bad("", "%q is negative", s)
	}
	v.SetInt(int64(d))
	return nil
}

func scanAddr(v reflect.Value, raw any) error {
	s, err := scanString(raw)
	if err != nil || s == "" {
		return err
	}
	a, err := parseAddr(s)
	if err != nil {
		return err
	}
	v.Set(reflect.ValueOf(a))
	return nil
}

// parseAddr reads a literal address; an IPv4 address in IPv6 clothes becomes an IPv4 address.
func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		if looksLikeName(s) {
			return a, bad("", "%q is a name; write the IP address, which a name server cannot change", s)
		}
		return a, bad("", "%q is not an IP address", s)
	}
	return a.Unmap(), nil
}

// looksLikeName tells a host name from a mistyped address.
func looksLikeName(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return 'g' <= r|0x20 && r|0x20 <= 'z' })
}

func scanPrefix(v reflect.Value, raw any) error {
	s, err := scanString(raw)
	if err != nil {
		return err
	}
	if s == "auto" {
		v.Set(reflect.ValueOf(netip.Prefix{}))
		return nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		if a, err := netip.ParseAddr(s); err == nil {
			return bad(fmt.Sprintf("write %q", exampleFor(a)), "%q has no prefix length", s)
		}
		return bad(`write it like "10.42.0.11/24"`, "%q is not an address with a prefix length", s)
	}
	v.Set(reflect.ValueOf(p))
	return nil
}

func exampleFor(a netip.Addr) string {
	if a.Is4() {
		return a.String() + "/24"
	}
	return a.WithZone("").String() + "/64"
}
