package tundev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
)

func (a *adapter) Run(ctx context.Context) error {
	ear, err := a.sys.listen()
	if err != nil {
		return &Error{"watch device", a.Name(), err}
	}
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		a.hear(ear)
	}()
	defer func() {
		ear.close()
		<-listening
	}()
	a.keep(ctx, a)
	return nil
}

// hear pokes Run whenever something happens to the interface or its bridge.
func (a *adapter) hear(ear listener) {
	for {
		n, err := ear.next()
		if err != nil {
			return
		}
		o := a.opt.Load()
		if n == (news{}) || int64(n.index) == a.index.Load() || n.name != "" && n.name == o.Bridge {
			a.poke()
			select {
			case a.changed <- struct{}{}:
			default: // it is known already
			}
		}
	}
}

// absent says why the interface has to be made again or renamed, as the end of a sentence; "" when
// it has not, or when that cannot be told now. The caller holds mu.
func (a *adapter) absent() string {
	if name := a.renamed(); name != "" {
		return faultRenamed + name
	}
	if now, err := a.sys.look(a.Name()); now == nil && err == nil {
		return faultRemoved
	}
	if lost := a.life.Load().lost.Load(); lost != nil {
		return fmt.Sprintf("it cannot be read: %v", *lost)
	}
	return ""
}

// renamed gives the present name of an interface that has another than it should, "" else.
func (a *adapter) renamed() string {
	l := a.life.Load()
	if name := l.card.name(); name != a.Name() && l.lost.Load() == nil {
		return name
	}
	return ""
}

func (a *adapter) fault() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed() {
		return ""
	}
	if reason := a.absent(); reason != "" {
		return reason
	}
	o := a.opt.Load()
	now, err := a.sys.look(a.Name())
	switch {
	case err != nil:
		return fmt.Sprintf("it cannot be looked at: %v", err)
	case now == nil: // since a moment ago
		return faultRemoved
	case !now.up:
		return faultDown
	case o.Bridge == "":
		return ""
	}
	in, err := a.sys.isPort(o.Bridge, a.Name())
	switch {
	case err != nil:
		return (&Error{"join bridge", o.Bridge, err}).Error()
	case !in:
		return faultBridge + o.Bridge
	}
	return ""
}

func (a *adapter) setRight() (was finding, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed() {
		return was, nil
	}
	o := *a.opt.Load()
	if was.fault = a.absent(); was.fault != "" {
		was.changed = true
		err = a.restore(o)
	}
	if err != nil {
		return was, err
	}
	settled, err := a.settle(o)
	return finding{was.changed || settled.changed, cmp.Or(was.fault, settled.fault)}, err
}

// restore gives a renamed interface its name back, or makes one that is gone again.
func (a *adapter) restore(o Options) error {
	if name := a.renamed(); name != "" {
		if err := a.sys.rename(name, a.Name()); err != nil {
			return &Error{"rename to " + a.Name() + " device", name, err}
		}
		return nil
	}
	_ = a.life.Load().card.close()
	return a.open(o)
}

// settle makes the interface be as o says: its address before it is up, so that nobody sees
// another one. A missing bridge does not keep the rest from being done. The caller holds mu.
func (a *adapter) settle(o Options) (was finding, err error) {
	s := steps{name: a.Name()}
	at := place{a.sys, s.name, o.Kind}
	a.put.drop(&s, at, o.Addresses)
	now, err := a.sys.look(s.name)
	if err == nil && now == nil {
		err = errors.New(faultRemoved)
	}
	if err != nil {
		return s.finding, &Error{"set up device", s.name, err}
	}
	a.index.Store(int64(now.index))
	have := now.has(o.Addresses)
	if !now.up && !a.fresh {
		s.fault = faultDown
		a.put.lose(have)
	}
	s.do("set the mac of device", o.Kind == TAP && now.mac != o.MAC, func() error {
		return a.sys.setMAC(s.name, o.MAC)
	})
	s.do("set the mtu of device", now.mtu != o.MTU, func() error { return a.sys.setMTU(s.name, o.MTU) })
	bridgeErr := a.join(&s, o.Bridge)
	s.do("set up device", !now.up || a.fresh, func() error {
		err := a.sys.setUp(s.name, o.Kind, o.MAC)
		a.fresh = err != nil
		return err
	})
	a.put.add(&s, a.log, at, have, o.Addresses)
	if s.err == nil {
		s.err = bridgeErr
	}
	return s.finding, s.err
}

// join makes the interface a port of the bridge, or no port of the bridge it joined before when
// that is another one.
func (a *adapter) join(s *steps, bridge string) error {
	if a.joined != "" && a.joined != bridge {
		s.do("take out of bridge "+a.joined+" device", true, func() error {
			return a.sys.leave(a.joined, s.name)
		})
		a.joined = ""
	}
	if bridge == "" {
		return nil
	}
	in, err := a.sys.isPort(bridge, s.name)
	if err != nil {
		return &Error{"join bridge", bridge, err}
	}
	if !in && s.fault == "" && a.joined == bridge {
		s.fault = faultBridge + bridge
	}
	s.do("join bridge "+bridge+" with device", !in, func() error {
		err := a.sys.join(bridge, s.name)
		if err == nil {
			a.joined = bridge
		}
		return err
	})
	return nil
}

// retire takes off a lent interface what was added to it, and closes it. The caller holds mu.
func (a *adapter) retire() error {
	s := steps{name: a.Name()}
	if a.lent && a.absent() == "" {
		_ = a.join(&s, "")
		a.put.drop(&s, place{a.sys, s.name, a.opt.Load().Kind}, nil)
	}
	return cmp.Or(s.err, a.life.Load().card.close())
}

// A place is an interface whose addresses are changed.
type place struct {
	sys  system
	name string
	kind Kind
}

func (p place) addAddress(a netip.Prefix) error  { return p.sys.addAddress(p.name, p.kind, a) }
func (p place) dropAddress(a netip.Prefix) error { return p.sys.dropAddress(p.name, p.kind, a) }
