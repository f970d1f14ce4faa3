//go:build !linux && !darwin && !windows && !freebsd && !openbsd

package tundev

import "fmt"

// Open would make the device that o describes: NetBSD, DragonFly BSD, Solaris and all others have none here.
func Open(o Options) (Device, error) {
	o, err := o.complete()
	if err == nil {
		err = fmt.Errorf("this system has no devices of kind %s here: Linux, FreeBSD, OpenBSD, macOS and Windows have; "+
			`what can be had is kind = "none", to relay for others`, o.Kind)
	}
	return nil, &Error{o.create(), o.Name, err}
}
