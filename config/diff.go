package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Class says what it takes to put a change into effect.
type Class int

// The classes of changes.
const (
	Live    Class = iota // a reload is enough
	Restart              // the program has to be started again
)

// A Change is one key that two configurations do not agree on. Lists are compared whole. A
// segment, or an optional table of one, that only one of them has is one change, with the word
// "present".
type Change struct {
	Key   string // segments go by VNI, peers by name: segments[4242].fdb.ageing
	Old   string // as TOML writes it; "" where the old one has none
	New   string // "" where the new one has none
	Class Class
}

// kind follows a segment in the key of its device's kind.
const kind = ".device.kind"

// present stands for a whole table in a [Change].
const present = "present"

// restartKeys are the keys, without the segment they belong to, that are read once at the start;
// a trailing dot stands for a whole table.
var restartKeys = []string{
	"network.name", "network.node", "network.state", "log.format", "listen.", "control.",
	"discovery.",
	"security.identity", "security.cipher",
	"segments.device.kind", "segments.device.name", "segments.device.mac",
}

// Diff lists what changes from one configuration to the next, sorted by key.
func Diff(from, to *Config) []Change {
	a, b := flatten(from), flatten(to)
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if a[key] == b[key] || partOfChange(changes, key) {
			continue
		}
		c := Change{Key: key, Old: a[key], New: b[key], Class: classOf(key)}
		if segment, _, ok := strings.Cut(key, ".userspace"); ok && a[segment+kind] != b[segment+kind] {
			c.Class = Restart // the device has to be one that offers something
		}
		changes = append(changes, c)
	}
	return changes
}

// partOfChange tells whether key lies in a table that came or went as a whole. The table sorts
// before its keys.
func partOfChange(changes []Change, key string) bool {
	return slices.ContainsFunc(changes, func(c Change) bool {
		return c.Old+c.New == present && strings.HasPrefix(key, c.Key+".")
	})
}

func classOf(key string) Class {
	plain := label(key)
	for _, k := range restartKeys {
		if plain == k || strings.HasSuffix(k, ".") && strings.HasPrefix(plain, k) {
			return Restart
		}
	}
	return Live
}

// flatten gives the value of every key, and "present" for the tables that may be absent.
func flatten(c *Config) map[string]string {
	flat := make(map[string]string)
	for _, e := range c.encode() {
		switch e.key {
		case "segments":
			for i, s := range e.value.([]any) {
				path := fmt.Sprintf("segments[%d]", c.Segments[i].VNI)
				flat[path] = present
				flattenTable(flat, path, s.(table))
			}
		case "peers":
			for i, p := range e.value.([]any) {
				path := fmt.Sprintf("peers[%s]", c.Peers[i].Name)
				flat[path] = present
				flattenTable(flat, path, p.(table))
			}
		default:
			flattenTable(flat, e.key, e.value.(table))
		}
	}
	return flat
}

func flattenTable(flat map[string]string, path string, t table) {
	for _, e := range t {
		p := join(path, e.key)
		switch v := e.value.(type) {
		case nil:
		case table:
			if e.key == "vxlan" || e.key == "userspace" { // those that may be absent
				flat[p] = present
			}
			flattenTable(flat, p, v)
		default:
			flat[p] = inline(v)
		}
	}
}
