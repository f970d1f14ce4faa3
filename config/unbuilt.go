package config

import (
	"fmt"
	"slices"
)

// checkUnbuilt refuses what the schema knows but this version cannot do yet, so that nobody relies
// on a line that has no effect. Asking for less than the defaults do is fine: there is less.
func (d *document) checkUnbuilt(c *Config) {
	const noRelay = "relaying is not built yet"
	for i, p := range c.Peers {
		if p.Relay {
			d.report(fmt.Sprintf("peers[%d].relay", i), "", noRelay)
		}
	}
	for i, s := range c.Segments {
		if s.Device.Kind != KindTAP {
			d.report(fmt.Sprintf("segments[%d].device.kind", i), `use kind = "tap"`,
				"%q is not built yet", s.Device.Kind)
		}
	}
	standard := Default()
	if s := c.Discovery.STUN; len(s) > 0 && !slices.Equal(s, standard.Discovery.STUN) {
		d.report("discovery.stun", "name the other nodes' addresses in endpoints of [[peers]]",
			"finding addresses is not built yet, so no STUN server is asked")
	}
	if c.Relay.Serve == "true" {
		d.report("relay.serve", "", noRelay)
	}
	if c.Relay.Limit != standard.Relay.Limit {
		d.report("relay.limit", "", "%s, so there is nothing to limit", noRelay)
	}
}
