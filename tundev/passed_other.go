//go:build !linux

package tundev

import (
	"errors"
	"os"
)

// OpenPassed makes a device of a TAP that another process has passed on; here it cannot.
func OpenPassed(f *os.File, o Options) (Device, error) {
	_ = f.Close()
	return nil, &Error{"take over tap device of", o.Name, errors.New("only Linux passes devices between processes")}
}
