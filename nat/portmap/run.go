package portmap

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// When things are done.
const (
	// watchEvery is how often the router is asked whether it still knows, and whether it is the
	// same; by UPnP, which takes several connections, more rarely.
	watchEvery     = time.Minute
	watchUPnPEvery = 5 * time.Minute
	// refreshEvery is the least time between two times of deleting and adding.
	refreshEvery = time.Minute
	// A change is looked after at once, but not more often than this: by asking another router, or
	// by renewing with the same one.
	gatewayGap = time.Second
	renewalGap = 5 * time.Second
	// After a router that gave nothing it is asked again, twice as late each time.
	retryFirst, retryLast = time.Minute, 16 * time.Minute
	// leastRenewal keeps a router that grants seconds from being asked all the time.
	leastRenewal = 5 * time.Second
	// askLimit bounds a whole round of questions, and deleteLimit the good-bye.
	askLimit    = 15 * time.Second
	deleteLimit = time.Second
)

// A task is what [Mapper.Run] knows, for that one goroutine alone.
type task struct {
	gateway, local netip.Addr
	isThere        bool // a router that may be asked

	held    *grant
	expires time.Time // of held, when it does not stay for good
	epoch   epoch     // of who gave held
	isLost  bool      // held, but the router has forgotten it

	ask      time.Time // when to ask, for the first time or to renew
	watch    time.Time // when to look after what is held
	retry    time.Duration
	replace  bool      // delete and add as soon as that may be
	replaced time.Time // when that was last
	looked   time.Time // when a change was last looked after, or will be
}

// Run keeps the port mapped until the context ends, deletes the mapping, which takes at most a
// second, and returns nil.
func (m *Mapper) Run(ctx context.Context) error {
	t := &task{}
	defer func() {
		m.remove(context.WithoutCancel(ctx), t)
		m.drop(t)
	}()
	for {
		timer := time.NewTimer(time.Until(m.step(ctx, t)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-m.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// step does what is due and tells when there will be something to do again.
func (m *Mapper) step(ctx context.Context, t *task) time.Time {
	m.look(t)
	if !t.isThere {
		return time.Now().Add(watchEvery)
	}
	now := time.Now()
	switch {
	case t.replace && now.Sub(t.replaced) >= refreshEvery:
		t.replace, t.replaced = false, now
		m.remove(ctx, t)
		m.askFor(ctx, t, m.opts.Port)
	case !now.Before(t.ask):
		m.askFor(ctx, t, m.wanted(t))
	case t.held != nil && !now.Before(t.watch):
		m.lookAfter(ctx, t)
	}
	return t.next()
}

// next is the earliest thing that is due.
func (t *task) next() time.Time {
	next := t.ask
	if t.held != nil && t.watch.Before(next) {
		next = t.watch
	}
	if again := t.replaced.Add(refreshEvery); t.replace && again.Before(next) {
		next = again
	}
	// The router may be another without anybody having said so.
	if poll := time.Now().Add(watchEvery); poll.Before(next) {
		next = poll
	}
	return next
}

// look takes the orders and finds out whether the router is another.
func (m *Mapper) look(t *task) {
	refresh, changed := m.orders()
	t.replace = t.replace || refresh
	gateway, local, ok := m.gateway()
	now := time.Now()
	if ok != t.isThere || gateway != t.gateway || local != t.local {
		// What the router before has promised is out of reach, with it or from here.
		m.drop(t)
		*t = task{
			gateway: gateway, local: local, isThere: ok, replaced: t.replaced, looked: now,
			retry: retryFirst, ask: later(now, t.looked.Add(gatewayGap)),
		}
		return
	}
	if changed && !now.Before(t.looked) { // or else it is about to be looked after
		t.ask, t.retry = later(now, t.looked.Add(renewalGap)), retryFirst
		t.looked = t.ask
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// wanted is the outer port to ask for.
func (m *Mapper) wanted(t *task) uint16 {
	if t.held != nil {
		return t.held.external.Port()
	}
	return m.opts.Port
}

// lookAfter asks again for what the router has forgotten.
func (m *Mapper) lookAfter(ctx context.Context, t *task) {
	t.watch = time.Now().Add(watchGap(t.held))
	if t.isLost = m.isLost(ctx, t); !t.isLost || ctx.Err() != nil {
		return
	}
	m.opts.Log.Info("the router has forgotten its mappings", "gateway", t.gateway)
	m.askFor(ctx, t, m.wanted(t))
}

func watchGap(g *grant) time.Duration {
	if g.igd != nil {
		return watchUPnPEvery
	}
	return watchEvery
}

func (m *Mapper) isLost(ctx context.Context, t *task) bool {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if t.held.igd != nil {
		return t.held.igd.lost(ctx, t.held.external, m.opts.Port, t.local)
	}
	w := &watching{
		server: netip.AddrPortFrom(t.gateway, serverPort), client: t.local, now: time.Now,
		protocol: t.held.protocol, outer: t.held.external.Addr(), epoch: &t.epoch,
	}
	err := m.converse(ctx, t.local, probePatience, w)
	return err == nil && w.lost
}

// askFor asks by everything there is, and says when to ask again.
func (m *Mapper) askFor(ctx context.Context, t *task, wanted uint16) {
	got, err := m.request(ctx, t, wanted)
	now := time.Now()
	if err != nil {
		if ctx.Err() == nil {
			m.askedInVain(t, now, err)
		}
		return
	}
	// A router may grant more than was wished for, but a lost mapping should not stay lost so long.
	got.lifetime = min(got.lifetime, m.opts.Lifetime)
	t.held, t.isLost, t.retry = &got, false, retryFirst
	t.epoch = epoch{at: now, server: int64(got.epoch)}
	t.ask = now.Add(max(got.lifetime/2, leastRenewal))
	t.watch = now.Add(watchGap(t.held))
	t.expires = now.Add(max(got.lifetime, leastRenewal))
	mapping := Mapping{
		Protocol: got.protocol, External: got.external, Gateway: t.gateway, Permanent: got.isFixed,
		Expires: t.expires,
	}
	if got.isFixed {
		mapping.Expires = time.Time{}
	}
	m.set(mapping, true)
}

// askedInVain keeps what is held until it ends, asking again after half the time that is left.
func (m *Mapper) askedInVain(t *task, now time.Time, err error) {
	m.opts.Log.Debug("no port mapping", "gateway", t.gateway, "err", err)
	left := t.expires.Sub(now)
	switch {
	case t.held == nil || t.isLost:
		m.drop(t)
	case t.held.isFixed: // there until somebody deletes it
	case left > 0:
		t.ask = now.Add(max(left/2, min(left, leastRenewal)))
		return
	default:
		m.drop(t)
	}
	t.ask = now.Add(t.retry)
	t.retry = min(2*t.retry, retryLast)
}

// request asks for a mapping: the IGD that gave the one held, else PCP and NAT-PMP, else UPnP.
func (m *Mapper) request(ctx context.Context, t *task, wanted uint16) (grant, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if t.held != nil && t.held.igd != nil {
		if got, err := t.held.igd.renew(ctx, wanted, m.opts, t.local); err == nil {
			return got, nil
		}
	}
	a := &asking{server: netip.AddrPortFrom(t.gateway, serverPort), request: m.pcpMap(t)}
	a.request.external, a.request.lifetime = wanted, uint32(m.opts.Lifetime/time.Second)
	err := m.converse(ctx, t.local, probePatience, a)
	if err == nil && a.granted.protocol != "" {
		return a.granted, nil
	}
	if err == nil {
		err = a.refusal
	}
	if err == nil {
		err = errSilent
	}
	if m.opts.NoUPnP || ctx.Err() != nil {
		return grant{}, err
	}
	g, upnp := m.findIGD(ctx, t.gateway, t.local)
	if upnp != nil {
		return grant{}, errors.Join(err, upnp)
	}
	return g.add(ctx, wanted, m.opts.Port, t.local, m.opts.Lifetime)
}

// pcpMap is the request that everything about this port has in common.
func (m *Mapper) pcpMap(t *task) pcpRequest {
	return pcpRequest{op: opMap, client: t.local, nonce: m.opts.Nonce, internal: m.opts.Port}
}

// remove takes back what is held, as well as that goes within [deleteLimit]. The mapping is still
// told of, for its replacement will most probably be the same.
func (m *Mapper) remove(ctx context.Context, t *task) {
	if t.held == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deleteLimit)
	defer cancel()
	var err error
	if g := t.held.igd; g != nil {
		err = g.DeletePortMappingCtx(ctx, "", t.held.external.Port(), "UDP")
	} else {
		err = m.converse(ctx, t.local, deleteLimit, &deleting{
			server: netip.AddrPortFrom(t.gateway, serverPort), request: m.pcpMap(t),
			protocol: t.held.protocol,
		})
	}
	if err != nil {
		m.opts.Log.Debug("mapping not deleted", "gateway", t.gateway, "err", err)
	}
	t.held = nil
}

// drop forgets what was held.
func (m *Mapper) drop(t *task) {
	t.held = nil
	m.set(Mapping{}, false)
}
