package main

import (
	"slices"

	"github.com/vxmesh/vxmesh/config"
)

// rootDevice looks at what making a device takes where only root makes them. FreeBSD's /dev/tap is
// not looked for, because it makes an interface for who does.
func (p *patient) rootDevice() (found []finding) {
	const tap = "/dev/tap0"
	taps := slices.ContainsFunc(p.cfg.Segments, func(s config.Segment) bool {
		return s.Device.Kind == config.KindTAP
	})
	if _, err := p.sys.stat(tap); err != nil && p.sys.os == "openbsd" && taps {
		found = append(found, fail("cd /dev && sh MAKEDEV tap0", "there is no %s", tap))
	}
	if p.sys.euid > 0 && p.node == nil {
		found = append(found, warn(
			"run vxmesh join as root, or as a service: vxmesh service install "+p.network,
			"this user may not make devices: it is not root"))
	}
	return found
}
