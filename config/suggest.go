package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/vxmesh/vxmesh/internal/suggest"
)

// suggestKey says what was meant by an unknown key that is not near one of its own table: a key
// that another program has, or a key or table elsewhere in this file; "" when nothing is near.
func suggestKey(schema reflect.Type, where, name string, isTable bool) string {
	plain := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
	if hint := renamed[plain]; hint != "" && schema == reflect.TypeFor[Config]() {
		return hint
	}
	var paths, names []string
	eachKey(schema, "", func(path string, table bool) {
		if parent(path) != where && table == isTable {
			paths = append(paths, path)
			names = append(names, path[strings.LastIndexByte(path, '.')+1:])
		}
	})
	if i := slices.Index(names, suggest.Nearest(name, names)); i >= 0 {
		if isTable {
			return fmt.Sprintf("did you mean [%s]?", paths[i])
		}
		return fmt.Sprintf("did you mean %s?", paths[i])
	}
	return ""
}

// renamed maps keys that people know from other programs, in lower case without - and _, to what
// this file calls them. Keys that are near enough to ours need no line.
var renamed = map[string]string{
	"id":                  "the VXLAN network identifier is vni in [[segments]]",
	"vid":                 "the VXLAN network identifier is vni in [[segments]]",
	"dstport":             `a remote has its own: remotes = ["192.0.2.7:8472"]`,
	"port":                "the UDP ports are listen.vxlan and listen.mesh",
	"listenport":          "the UDP ports are listen.vxlan and listen.mesh",
	"srcport":             "it is source_port in [segments.vxlan]",
	"remote":              "it is a list: remotes in [segments.vxlan]",
	"remoteip":            "it is a list: remotes in [segments.vxlan]",
	"peerips":             "it is remotes in [segments.vxlan]",
	"localip":             "it is local in [segments.vxlan]",
	"dev":                 "it is interface in [segments.vxlan]",
	"nolearning":          "it is learn = false in [segments.fdb]",
	"learning":            "it is learn in [segments.fdb]",
	"maxaddress":          "it is max_entries in [segments.fdb]",
	"limit":               "the table's is max_entries in [segments.fdb]",
	"udpcsum":             "it is udp_checksum in [segments.vxlan]",
	"l2miss":              "it has no counterpart here; unknown unicast is flooded while flood = true",
	"maccap":              "it is max_per_port in [segments.fdb]",
	"privatekey":          "keys are not in this file; identity in [security] names one",
	"publickey":           "it is key in [[peers]]",
	"allowedips":          "it has no counterpart: this is Ethernet, and addresses are learned",
	"persistentkeepalive": "it is keepalive in [[peers]]",
	"statichostmap":       "it is endpoints in [[peers]]",
	"lighthouse":          "every reachable node is one; name the first in [[peers]]",
	"address":             "it is a list: addresses in [segments.device]",
	"tap":                 `it is kind = "tap" in [segments.device]`,
	"loglevel":            "it is level in [log]",
}

// keysOf lists a struct's TOML keys.
func keysOf(t reflect.Type) []string {
	var keys []string
	for f := range t.Fields() {
		keys = append(keys, f.Tag.Get("toml"))
	}
	return keys
}

// eachKey calls f with the path of every key of the schema.
func eachKey(t reflect.Type, path string, f func(path string, isTable bool)) {
	for field := range t.Fields() {
		p := join(path, field.Tag.Get("toml"))
		sub := tableType(field.Type)
		f(p, sub != nil)
		if sub != nil {
			eachKey(sub, p, f)
		}
	}
}

// tableType is the struct behind a table, a list of tables or an optional table; nil for a value.
func tableType(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 || t.Field(0).Tag.Get("toml") == "" {
		return nil
	}
	return t
}

func parent(path string) string { return path[:max(0, strings.LastIndexByte(path, '.'))] }
