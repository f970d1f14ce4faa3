//go:build !linux && !darwin && !windows && !freebsd && !openbsd

package tundev

import "fmt"

// Open would make the device that o describes: NetBSD, DragonFly BSD, Solaris and all others have
// none here.
func Open(o Options) (Device, error) {
	o, err := o.complete()
	if err == nil {
		err = fmt.Errorf("vxmesh has devices of kind %s on Linux, FreeBSD, OpenBSD, macOS and Windows only: "+
			`here it can relay for others, with kind = "none"`, o.Kind)
	}
	return nil, &Error{o.create(), o.Name, err}
}
