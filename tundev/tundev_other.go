//go:build !linux && !darwin && !windows && !freebsd && !openbsd

package tundev

import "errors"

// Open makes the device that o describes.
func Open(o Options) (Device, error) {
	o, err := o.complete()
	if err == nil {
		err = errors.New("this system has no device of kind " + string(o.Kind) + " yet; Linux has")
	}
	return nil, &Error{o.create(), o.Name, err}
}
