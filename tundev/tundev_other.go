//go:build !linux

package tundev

import "errors"

// Open makes the device that o describes.
func Open(o Options) (Device, error) {
	o, err := o.complete()
	if err == nil {
		err = errors.New("this system has no device of kind tap yet; Linux has")
	}
	return nil, &Error{"create tap device", o.Name, err}
}
