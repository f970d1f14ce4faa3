package tundev

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"syscall"
)

// steps does one thing after another to an interface until one goes wrong.
type steps struct {
	finding
	name string
	err  error
}

func (s *steps) do(op string, needed bool, f func() error) {
	if s.err != nil || !needed {
		return
	}
	s.changed = true
	if err := f(); err != nil {
		if errors.Is(err, syscall.EPERM) { // EACCES is something else: IPv6 is off, on Linux
			err = ErrPermission
		}
		s.err = &Error{op, s.name, err}
	}
}

// An addresser changes the addresses of one interface.
type addresser interface {
	addAddress(a netip.Prefix) error
	// dropAddress gives nil as well when somebody was faster.
	dropAddress(a netip.Prefix) error
}

// given are the addresses that an interface was given: false when somebody else has removed one
// since, which then stays away.
type given map[netip.Prefix]bool

// add gives the interface the wanted addresses that it does not have.
func (g given) add(s *steps, log *slog.Logger, to addresser, have, wanted []netip.Prefix) {
	for _, a := range wanted {
		if slices.Contains(have, a) {
			continue
		}
		if here, known := g[a]; known {
			if here {
				log.Warn("address was removed by somebody else and stays away",
					"device", s.name, "address", a)
			}
			g[a] = false
			continue
		}
		s.do("add address "+a.String()+" to device", true, func() error {
			err := to.addAddress(a)
			if err == nil {
				g[a] = true
			}
			return err
		})
	}
}

// drop takes away the addresses that were given once and are not wanted any more.
func (g given) drop(s *steps, from addresser, wanted []netip.Prefix) (dropped bool) {
	for a, here := range g {
		if slices.Contains(wanted, a) {
			continue
		}
		delete(g, a)
		s.do("remove address "+a.String()+" from device", here, func() error {
			dropped = true
			return from.dropAddress(a)
		})
	}
	return dropped
}

// lose forgets the addresses that went with something bigger: they come back.
func (g given) lose(have []netip.Prefix) {
	for a := range g {
		if !slices.Contains(have, a) {
			delete(g, a)
		}
	}
}
