package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A table is a struct as the file writes it: its keys in the order of the schema. A value is a
// string, bool, int64, []any of values, a table, or nil for an optional table that is absent.
type table []entry

type entry struct {
	key   string
	value any
}

// tomlValuer is a value whose form in the file is not that of its Go type.
type tomlValuer interface{ tomlValue() any }

// encode turns a Config, or a part of one, into values.
func encode(v reflect.Value) any {
	switch t := v.Interface().(type) {
	case tomlValuer:
		return t.tomlValue()
	case time.Duration:
		return shortDuration(t)
	case netip.Prefix:
		if !t.IsValid() {
			return "auto"
		}
		return t.String()
	case netip.Addr:
		if !t.IsValid() {
			return ""
		}
		return t.String()
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int:
		return v.Int()
	case reflect.Uint16, reflect.Uint32:
		return int64(v.Uint())
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return encode(v.Elem())
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = encode(v.Index(i))
		}
		return list
	}
	t := make(table, 0, v.NumField())
	for f := range v.Type().Fields() {
		t = append(t, entry{f.Tag.Get("toml"), encode(v.FieldByIndex(f.Index))})
	}
	return t
}

// shortDuration writes 5m0s as 5m.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// inline writes a value on one line. In an inline table an empty string says nothing and is left
// out.
func inline(v any) string {
	switch t := v.(type) {
	case string:
		// Values have no control characters, and what Go escapes otherwise TOML reads the same.
		return strconv.Quote(t)
	case []any:
		parts := make([]string, len(t))
		for i, e := range t {
			parts[i] = inline(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case table:
		var parts []string
		for _, e := range t {
			if e.value != "" {
				parts = append(parts, e.key+" = "+inline(e.value))
			}
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return fmt.Sprint(v)
}

// MarshalJSON keeps the order of the keys; an absent optional table is null.
func (t table) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, e := range t {
		if i > 0 {
			b = append(b, ',')
		}
		v, err := json.Marshal(e.value)
		if err != nil {
			return nil, err
		}
		b = append(strconv.AppendQuote(b, e.key), ':')
		b = append(b, v...)
	}
	return append(b, '}'), nil
}
