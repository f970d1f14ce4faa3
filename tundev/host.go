//go:build darwin || windows || freebsd || openbsd

package tundev

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
)

// host is this machine.
type host struct{}

// Open makes the device that o describes. It is removed by Close and, but for what
// docs/platforms.md says, by the end of the process. The interface's name may be another than was
// asked for, where the system has its own mind about names.
func Open(o Options) (Device, error) {
	o, err := o.complete()
	if err != nil {
		return nil, &Error{o.create(), o.Name, err}
	}
	if o.Kind == TUN {
		t, err := openTUN(o, func(o Options) (lower, error) { return openAdapter(host{}, o) })
		if err != nil {
			return nil, err
		}
		return t, nil
	}
	a, err := openAdapter(host{}, o)
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (host) open(o Options) (c card, lent bool, err error) {
	if o.Kind == TUN {
		c, err = openWireguard(o)
	} else {
		c, lent, err = openTAP(o)
	}
	if errors.Is(err, fs.ErrPermission) {
		err = ErrPermission
	}
	return c, lent, err
}

// command runs one of the system's programs for interfaces.
func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
