package tundev

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

const (
	minMTU, defaultMTU, maxMTU = 576, 1500, 9000

	minMTUv6 = 1280 // RFC 8200, 5; Linux takes IPv6 away from an interface below it

	maxNameLen = 15 // IFNAMSIZ without its terminating zero
)

// complete gives o with its defaults filled in, or says what is wrong with it.
func (o Options) complete() (Options, error) {
	if o.MTU == 0 {
		o.MTU = defaultMTU
	}
	if o.Kind == "" {
		o.Kind = TAP
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Addresses = slices.Clone(o.Addresses)
	return o, o.check()
}

func (o Options) check() error {
	if err := checkName(o.Name); err != nil {
		return err
	}
	if o.Bridge != "" {
		if o.Kind != TAP {
			return causef(ErrInvalid, "a device of kind %s cannot join a bridge", o.Kind)
		}
		if err := checkName(o.Bridge); err != nil {
			return fmt.Errorf("bridge %q: %w", o.Bridge, err)
		}
		if o.Bridge == o.Name {
			return causef(ErrInvalid, "it cannot join itself as a bridge")
		}
	}
	if o.MAC.IsZero() || o.MAC.IsMulticast() {
		return causef(ErrInvalid, "mac %s is not the address of one station", o.MAC)
	}
	if o.MTU < minMTU || o.MTU > maxMTU {
		return causef(ErrInvalid, "mtu %d is not between %d and %d", o.MTU, minMTU, maxMTU)
	}
	return o.checkAddresses()
}

func (o Options) checkAddresses() error {
	for i, p := range o.Addresses {
		a := p.Addr()
		switch {
		case !p.IsValid() || a.IsMulticast() || a.IsUnspecified() || a.Is4In6():
			return causef(ErrInvalid, "%s is not an address for an interface", p)
		case a.Is6() && o.MTU < minMTUv6:
			return causef(ErrInvalid, "mtu %d is too small for %s: IPv6 needs %d", o.MTU, p, minMTUv6)
		case slices.Contains(o.Addresses[:i], p):
			return causef(ErrInvalid, "address %s is listed twice", p)
		}
	}
	return nil
}

// create is the verb and object for an error.
func (o Options) create() string { return "create " + string(o.Kind) + " device" }

// checkName keeps to what Linux takes for an interface's name, without the % that would make it a
// pattern to be numbered.
func checkName(name string) error {
	switch {
	case name == "":
		return causef(ErrInvalid, "it has no name")
	case len(name) > maxNameLen:
		return causef(ErrInvalid, "the name has %d bytes, %d are allowed", len(name), maxNameLen)
	case name == "." || name == "..":
		return causef(ErrInvalid, "the name is a directory's")
	}
	bad := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/:%", r) }
	if i := strings.IndexFunc(name, bad); i >= 0 {
		return causef(ErrInvalid, "the name has %q in it", []rune(name[i:])[0])
	}
	return nil
}

// changeable says whether a living device of options o can become one of n: an error names what
// only a new device can have.
func (o Options) changeable(n Options) error {
	switch {
	case n.Kind != o.Kind:
		return causef(ErrInvalid, "its kind cannot change to %s while it runs", n.Kind)
	case n.Name != o.Name:
		return causef(ErrInvalid, "its name cannot change to %s while it runs", n.Name)
	case n.MAC != o.MAC:
		return causef(ErrInvalid, "its mac cannot change to %s while it runs", n.MAC)
	}
	return nil
}
