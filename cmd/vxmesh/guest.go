package main

import (
	"os"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// guest lets the TAP of another process into a segment.
func (d *daemon) guest(r control.GuestRequest, tap *os.File) (control.GuestStay, error) {
	g, err := d.node.AddGuest(r, func(o tundev.Options) (tundev.Device, error) {
		return tundev.OpenPassed(tap, o)
	})
	if err != nil {
		_ = tap.Close() // if it was not opened
		return nil, err
	}
	return g, nil
}
