package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/vxmesh/vxmesh/internal/suggest"
)

// table fills the struct v from a decoded table. Whatever cannot be read is reported and leaves
// its default, so that one mistake hides no other.
func (d *document) table(v reflect.Value, raw map[string]any, at *spot, path string) {
	fields := fieldsOf(v)
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		kid := at.last().kids[name]
		if kid == nil {
			kid = at
		}
		if f, ok := fields[name]; ok {
			d.value(f, raw[name], kid, join(path, name))
			continue
		}
		d.unknown(v.Type(), name, raw[name], kid, path)
	}
}

// unknown reports a key that the table has not.
func (d *document) unknown(table reflect.Type, name string, raw any, at *spot, path string) {
	what := "key"
	switch raw.(type) {
	case map[string]any, []map[string]any:
		what = "table"
	}
	hint := suggestKey(d.schema, label(path), name, what == "table")
	if near := suggest.Nearest(name, keysOf(table)); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
		if !d.has(join(path, near)) {
			d.bad[join(path, near)] = true // nobody has to be told that it is missing, too
		}
	}
	d.add(at.key, join(path, quoteKey(name)), hint,
		fmt.Sprintf("unknown %s %q %s", what, name, heading(path)))
}

// value fills v from any decoded value.
func (d *document) value(v reflect.Value, raw any, at *spot, path string) {
	if u, ok := v.Addr().Interface().(toml.Unmarshaler); ok {
		d.leaf(u.UnmarshalTOML(raw), at, path)
		return
	}
	if scan, ok := scanners[v.Type()]; ok {
		d.leaf(scan(v, raw), at, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.single(v, raw, at, path)
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		setDefaults(p, 0)
		v.Set(p)
		d.value(p.Elem(), raw, at, path)
	case reflect.Slice:
		d.list(v, raw, at, path)
	default:
		d.leaf(scanBasic(v, raw), at, path)
	}
}

// leaf reports why a single value was refused.
func (d *document) leaf(err error, at *spot, path string) {
	if err == nil {
		return
	}
	var hint string
	if b, ok := errors.AsType[*badValue](err); ok {
		hint = b.hint
	}
	d.add(at.value, path, hint, label(path)+": "+err.Error())
	d.bad[path] = true
}

// single reads one table.
func (d *document) single(v reflect.Value, raw any, at *spot, path string) {
	hint := fmt.Sprintf("write [%s]", label(path))
	switch t := raw.(type) {
	case map[string]any:
		d.table(v, t, at, path)
	case []map[string]any:
		d.leaf(bad(hint, "there is one such table, not a list"), at, path)
	default:
		d.leaf(bad(hint, "expected a table, found %s", kindOf(raw)), at, path)
	}
}

// list reads a list of tables or of values. A refused element keeps its place, so that the others
// keep their positions.
func (d *document) list(v reflect.Value, raw any, at *spot, path string) {
	items, ok := d.items(v, raw, at, path)
	if !ok {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		e, p := v.Index(i), fmt.Sprintf("%s[%d]", path, i)
		setDefaults(e.Addr(), i)
		es := at
		if i < len(at.elems) {
			es = at.elems[i]
		}
		if item == "" {
			d.leaf(bad("", "an empty string is no entry of this list"), es, p)
			continue
		}
		d.value(e, item, es, p)
	}
}

// items gives the elements of a decoded list, whichever way it was written.
func (d *document) items(v reflect.Value, raw any, at *spot, path string) ([]any, bool) {
	hint := ""
	switch t := raw.(type) {
	case []any:
		return t, true
	case []map[string]any:
		items := make([]any, len(t))
		for i, m := range t {
			items[i] = m
		}
		return items, true
	case map[string]any:
		if tableType(v.Type()) != nil { // what stands in it can still be checked
			d.add(at.value, path, fmt.Sprintf("write [[%s]]", label(path)),
				label(path)+": this is a list of tables")
			return []any{t}, true
		}
	case string:
		hint = fmt.Sprintf("write [%q]", t)
	}
	d.leaf(bad(hint, "expected a list, found %s", kindOf(raw)), at, path)
	return nil, false
}

// setDefaults fills what p points to, the i-th of its list, before the file is read into it.
func setDefaults(p reflect.Value, i int) {
	if s, ok := p.Interface().(interface{ setDefaults(int) }); ok {
		s.setDefaults(i)
	}
}

// fieldsOf gives the settable fields of a struct by their TOML names.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value, v.NumField())
	for f := range v.Type().Fields() {
		fields[f.Tag.Get("toml")] = v.FieldByIndex(f.Index)
	}
	return fields
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// quoteKey writes a key as TOML wants it when it is not a bare one.
func quoteKey(name string) string {
	bare := func(r rune) bool {
		return r < utf8.RuneSelf && isNameRune(r)
	}
	if name != "" && strings.IndexFunc(name, func(r rune) bool { return !bare(r) }) < 0 {
		return name
	}
	return fmt.Sprintf("%q", name)
}

// kindOf names the type of a decoded value for people.
func kindOf(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	}
	return "a list"
}
