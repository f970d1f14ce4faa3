package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Show gives the configuration as a TOML file with every default written out. Parsing it again
// gives an equal Config.
func (c *Config) Show() string {
	var b strings.Builder
	for _, e := range c.encode() {
		writeTable(&b, e.key, e.value, true)
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// MarshalJSON gives the same keys and values as [Config.Show], with an optional table that is absent
// as null.
func (c *Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.encode()) }

func (c *Config) encode() table { return encode(reflect.ValueOf(*c)).(table) }

// writeTable writes the table or list of tables at path. Lists of tables have headers of their
// own at the top only; deeper ones stand on one line.
func writeTable(b *strings.Builder, path string, v any, top bool) {
	switch t := v.(type) {
	case []any:
		for _, e := range t {
			fmt.Fprintf(b, "\n[[%s]]\n", path)
			writeKeys(b, path, e.(table))
		}
	case table:
		if top {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "[%s]\n", path)
		writeKeys(b, path, t)
	}
}

// writeKeys writes the values of a table first and its tables after them, as TOML wants.
func writeKeys(b *strings.Builder, path string, t table) {
	for _, e := range t {
		if _, ok := e.value.(table); !ok && e.value != nil {
			fmt.Fprintf(b, "%s = %s\n", e.key, inline(e.value))
		}
	}
	for _, e := range t {
		if sub, ok := e.value.(table); ok {
			writeTable(b, join(path, e.key), sub, false)
		}
	}
}
