package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
)

// file is the config file of a network that is being set up: what matters of it, explained.
func (s *setup) file(vni uint32) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# The network %s on this machine. Who belongs to it is not in here: members know each other by", s.network)
	line("# their certificates (vxmesh peers, vxmesh invite). After changes: vxmesh reload.")
	line("# Every key and its default: vxmesh config example.")
	line("")
	line("[network]")
	line("name = %q", s.network)
	line("node = %q", s.node)
	if s.flags.state != "" {
		line("state = %q", s.state)
	}
	line("")
	line("[[segments]]")
	line("vni = %d", vni)
	line("")
	line("  [segments.device]")
	if s.flags.relay {
		line("  kind = \"none\"                # no interface here: this node introduces the others and relays")
		line("")
		line("[relay]")
		line("serve = true                   # limit = \"50Mbit/s\" in all, unless it says otherwise here")
		return b.Bytes()
	}
	switch {
	case s.flags.stack:
		line("  kind = \"userspace\"           # no interface here, so no root: the program has an IP stack of its own")
	case s.flags.bridge != "":
		line("  bridge = %-22q # the LAN behind this bridge is stretched to the other nodes", s.flags.bridge)
	default:
		line("  # bridge = \"br0\"              # to stretch the LAN behind a bridge to the other nodes")
	}
	switch s.flags.address {
	case "none":
		line("  addresses = []               # none: other machines on the segment have theirs")
	case "offered":
		var list []string
		for _, p := range s.flags.offered {
			list = append(list, strconv.Quote(p.String()))
		}
		line("  addresses = [%s]", strings.Join(list, ", "))
	case "auto":
		line("  addresses = [\"auto\"]         # a free one of the network's own; or [\"10.42.0.11/24\"]")
	default:
		line("  addresses = [%q]", s.flags.address)
	}
	return b.Bytes()
}

// ready sees to it that the config file can be written: what is done before that, such as using up an
// invitation, cannot be undone.
func (s *setup) ready() error {
	dir := filepath.Dir(s.config)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return setupError(err)
	}
	f, err := os.CreateTemp(dir, ".vxmesh-*")
	if err != nil {
		return setupError(err)
	}
	_ = f.Close()
	return setupError(os.Remove(f.Name()))
}

// write writes the config file, whole or not at all. There is no secret in it, and the user that services
// run as has to read it; a package's directory of configs is closed to everybody else.
func (s *setup) write(vni uint32) error {
	if err := atomicfile.Replace(s.config, s.file(vni)); err != nil {
		return err
	}
	return os.Chmod(s.config, 0o644)
}
