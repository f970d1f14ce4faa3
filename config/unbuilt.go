package config

import (
	"fmt"
	"slices"
)

// checkUnbuilt refuses what the schema knows but this version cannot do yet, so that nobody relies
// on a line that has no effect.
func (d *document) checkUnbuilt(c *Config) {
	const noMesh = "sealed peers are not built yet"
	for i := range c.Peers {
		d.report(fmt.Sprintf("peers[%d]", i), "", "%s", noMesh)
	}
	if len(c.Listen.Mesh) > 0 {
		d.report("listen.mesh", "", "%s", noMesh)
	}
	d.checkUnbuiltExtras(c)
	if c.Security.Admit != "invited" {
		d.report("security.admit", "", "%s", noMesh)
	}
	if c.Security.Cipher != "auto" {
		d.report("security.cipher", "", "%s, so nothing is encrypted", noMesh)
	}
	if len(c.Segments) == 0 && !d.bad["segments"] {
		d.report("", "add [[segments]] with a [segments.vxlan]", "there is no segment, and %s", noMesh)
	}
	for i := range c.Segments {
		d.checkUnbuiltSegment(fmt.Sprintf("segments[%d]", i), &c.Segments[i])
	}
}

// checkUnbuiltExtras refuses what asks for more of discovery, relaying and identity than the
// defaults do. Asking for less is fine: there is less.
func (d *document) checkUnbuiltExtras(c *Config) {
	standard := Default()
	if s := c.Discovery.STUN; len(s) > 0 && !slices.Equal(s, standard.Discovery.STUN) {
		d.report("discovery.stun", "", "sealed peers are not built yet, so no STUN server is asked")
	}
	if c.Relay.Serve == "true" {
		d.report("relay.serve", "", "relaying is not built yet")
	}
	if c.Relay.Limit != standard.Relay.Limit {
		d.report("relay.limit", "", "relaying is not built yet, so there is nothing to limit")
	}
	if i := c.Security.Identity; i != "" && i != standard.Security.Identity {
		d.report("security.identity", "",
			"sealed peers are not built yet, so this node has no identity")
	}
}

func (d *document) checkUnbuiltSegment(path string, s *Segment) {
	switch {
	case s.Peers.Names != nil:
		d.report(path+".peers", "", "sealed peers are not built yet")
	case s.VXLAN == nil:
		at := path
		if d.has(path+".peers") && s.Peers.All {
			at += ".peers"
		}
		d.report(at, "give it a [segments.vxlan]",
			"VNI %d has nobody to talk to: sealed peers are not built yet", s.VNI)
	}
	if s.Device.Kind != KindTAP {
		d.report(path+".device.kind", `use kind = "tap"`,
			"%q is not built yet", s.Device.Kind)
	}
	for i, e := range s.FDB.Static {
		if e.Peer != "" {
			d.report(fmt.Sprintf("%s.fdb.static[%d].peer", path, i), "",
				"sealed peers are not built yet")
		}
	}
}
