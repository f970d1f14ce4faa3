package screen

import (
	"slices"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// attrSubsystems tell what part of a node a record is of by an attribute that it has. The first counts.
var attrSubsystems = []struct{ key, name string }{
	{"mac", "fdb"},
	{"gateway", "portmap"},
	{"member", "member"},
	{"group", "group"},
	{"device", "device"},
	{"socket", "socket"},
	{"peer", "peer"},
}

// wordSubsystems tell it by a word of the message. The first counts: so what a record is mostly about
// comes before what it may name as well.
var wordSubsystems = []struct{ words, name string }{
	{"stun", "stun"},
	{"punch unasked", "punch"},
	{"lan hello", "lan"},
	{"port mapped mapping mappings router", "portmap"},
	{"invitation", "invite"},
	{"member members membership item certificate admin record admitted", "member"},
	{"device address addresses", "device"},
	{"network interfaces", "network"},
	{"handshake path peer peers keys relayed", "peer"},
	{"group", "group"},
	{"receive ports sending", "socket"},
	{"segment", "segment"},
	{"config reloaded reload", "config"},
}

// subsystemOf tells what part of a node a record is of: the node names none. What is left is "node".
func subsystemOf(r control.LogRecord) string {
	for _, key := range []string{"subsystem", "component"} {
		if s, ok := r.Attrs[key].(string); ok && s != "" {
			return s
		}
	}
	words := strings.FieldsFunc(strings.ToLower(r.Msg), func(c rune) bool { return c < 'a' || c > 'z' })
	has := func(list string) bool {
		return slices.ContainsFunc(strings.Fields(list), func(w string) bool { return slices.Contains(words, w) })
	}
	if len(words) > 0 && (words[0] == "up" || words[0] == "down") {
		return "node"
	}
	for _, s := range wordSubsystems {
		if has(s.words) {
			return bySegment(r, s.name)
		}
	}
	for _, a := range attrSubsystems {
		if _, there := r.Attrs[a.key]; there {
			return a.name
		}
	}
	return bySegment(r, "node")
}

// bySegment is the name of a part, but for the addresses of the FDB, which are those of a machine.
func bySegment(r control.LogRecord, name string) string {
	_, mac := r.Attrs["mac"]
	_, vni := r.Attrs["vni"]
	switch {
	case name == "device" && mac:
		return "fdb"
	case name == "node" && vni:
		return "segment"
	}
	return name
}

// peerOf is the peer that a record is about, "" if there is none.
func peerOf(r control.LogRecord) string {
	for _, key := range []string{"peer", "member", "name"} {
		if s, ok := r.Attrs[key].(string); ok {
			return s
		}
	}
	return ""
}
