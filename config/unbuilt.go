package config

import "fmt"

// checkUnbuilt refuses what the schema knows but this version cannot do yet, so that nobody relies
// on a line that has no effect. Asking for less than the defaults do is fine: there is less.
func (d *document) checkUnbuilt(c *Config) {
	for i, s := range c.Segments {
		if s.Device.Kind == KindUserspace {
			d.report(fmt.Sprintf("segments[%d].device.kind", i), `use kind = "tap", "tun" or "none"`,
				"%q is not built yet", s.Device.Kind)
		}
	}
}
