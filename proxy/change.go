package proxy

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// A Change is a list of services for which everything is open that has to be. It ends with Commit or
// Abort.
type Change struct {
	p       *Proxies
	list    []Service
	next    []*service // nil where the stack is not there yet
	kept    map[*service]bool
	yielded []*service // no longer listen, to make room
}

// Prepare opens what the list wants and does not run yet. On an error nothing is changed. What a stack
// that is not there yet has to listen on is opened by [Change.Commit].
func (p *Proxies) Prepare(list []Service) (*Change, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &Change{p: p, list: list, next: make([]*service, len(list)), kept: map[*service]bool{}}
	for i, want := range list {
		if at, ok := p.placeOf(want); ok {
			if s := p.at(at); s != nil {
				c.next[i], c.kept[s] = s, true
			}
		}
	}
	for i, want := range list {
		at, ok := p.placeOf(want)
		if !ok || c.next[i] != nil {
			continue
		}
		var err error
		if c.next[i], err = c.open(at, want); err != nil {
			c.abort()
			return nil, err
		}
	}
	return c, nil
}

// open opens a service. One that is to go may have to make room for it: all addresses of a machine and
// one of them cannot be listened on at once.
func (c *Change) open(at place, want Service) (*service, error) {
	s, err := c.p.open(at, want)
	for _, old := range c.p.running {
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		if !c.kept[old] && old.place.overlaps(at) && !slices.Contains(c.yielded, old) {
			old.close()
			c.yielded = append(c.yielded, old)
			s, err = c.p.open(at, want)
		}
	}
	return s, err
}

// Abort gives back what Prepare opened.
func (c *Change) Abort() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.abort()
}

// abort is Abort for who holds mu.
func (c *Change) abort() {
	for _, s := range c.next {
		if s != nil && !c.kept[s] {
			s.stop()
		}
	}
	for _, old := range c.yielded {
		c.p.reopen(old)
	}
}

// reopen has a service that made room listen again. Its connections have not noticed.
func (p *Proxies) reopen(old *service) {
	s := &service{p: p, place: old.place, work: old.work}
	if err := s.listen(); err != nil {
		p.options.Log.Error("proxy not opened again", append(s.job.Load().attrs(), "err", err)...)
		return
	}
	p.running[slices.Index(p.running, old)] = s
	p.start(s)
}

// Commit makes the list what runs. Connections of what is no longer in it, or goes elsewhere now, end.
func (c *Change) Commit() {
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.running {
		if !c.kept[s] {
			s.stop()
			p.options.Log.Info("proxy closed", s.job.Load().attrs()...)
		}
	}
	p.running = nil
	for i, s := range c.next {
		switch {
		case s == nil:
			if s = p.openLate(c.list[i]); s == nil {
				continue
			}
			p.start(s)
		case c.kept[s]:
			s.assign(c.list[i])
		default:
			p.start(s)
		}
		p.running = append(p.running, s)
	}
}

// openLate opens what has to wait for its stack. A new stack listens nowhere yet, so this does not fail
// for a reason that a person could mend.
func (p *Proxies) openLate(want Service) *service {
	at, ok := p.placeOf(want)
	err := fmt.Errorf("vni %d has no userspace device", want.VNI)
	if ok {
		var s *service
		if s, err = p.open(at, want); err == nil {
			return s
		}
	}
	p.options.Log.Error("proxy not opened", append((&job{Service: want}).attrs(), "err", err)...)
	return nil
}

// at gives the service that listens in a place, or nil. The caller holds mu.
func (p *Proxies) at(where place) *service {
	for _, s := range p.running {
		if s.place == where {
			return s
		}
	}
	return nil
}

// open listens for a service.
func (p *Proxies) open(at place, want Service) (*service, error) {
	s := &service{p: p, place: at, work: new(work)}
	if err := s.listen(); err != nil {
		return nil, fmt.Errorf("vni %d: %s: listen on %s: %w", want.VNI, want.Kind, at, err)
	}
	s.assign(want)
	return s, nil
}
