package tunnel

import (
	"context"
	"log/slog"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

const (
	// keeperEvery is how often the keeper looks after everything without being woken.
	keeperEvery = time.Second
	// keeperPause is how long it rests in between, and keeperRest how many times as long as it
	// took: a storm of changes, of new sources, or of datagrams that do not fit must not keep it
	// asking the kernel.
	keeperPause = 20 * time.Millisecond
	keeperRest  = 10
)

// A keeper owns what is slow and what takes time: ageing, the ways to the remotes, membership in
// groups, VTEPs that fell silent.
type keeper struct {
	n     *Node
	woken chan struct{}

	// Owned by New, then by the goroutine of run.
	groups map[groupKey]*udp.Membership
}

// A groupKey is one membership; a link that went away and came back has another index.
type groupKey struct {
	group   string
	ifIndex int
}

func newKeeper(n *Node) *keeper {
	return &keeper{n: n, woken: make(chan struct{}, 1), groups: make(map[groupKey]*udp.Membership)}
}

// wake makes the keeper look soon. It never blocks; anybody may call it.
func (k *keeper) wake() {
	select {
	case k.woken <- struct{}{}:
	default:
	}
}

// run keeps house until ctx ends.
func (k *keeper) run(ctx context.Context) error {
	defer k.leaveAll()
	tick := time.NewTicker(keeperEvery)
	defer tick.Stop()
	for {
		start := time.Now()
		k.refresh()
		k.n.vitals.check()
		pause := min(max(keeperPause, keeperRest*time.Since(start)), keeperEvery)
		select {
		case <-ctx.Done():
			return nil
		case <-k.woken:
			rest := time.NewTimer(pause)
			select {
			case <-ctx.Done():
			case <-rest.C:
			}
		case <-tick.C:
			k.age()
		}
	}
}

// age forgets what has been silent too long.
func (k *keeper) age() {
	for _, s := range k.n.segmentList() {
		if n := s.sw.Expire(k.n.now()); n > 0 {
			k.n.publish(control.Event{Type: control.EventFDBAged, VNI: s.vni, Count: uint64(n)})
		}
		s.publishLimits()
		s.forgetStale()
	}
}

// refresh asks again how every VTEP is reached, and keeps the memberships that are needed.
func (k *keeper) refresh() {
	segments := k.n.segmentList()
	own := k.n.self(segments)
	wanted := make(map[groupKey]func() (*udp.Membership, error))
	for _, s := range segments {
		s.refreshRoutes(own)
		o := s.leg.Load().options
		if !o.Group.IsValid() {
			continue
		}
		if index := k.n.routes.index(o.Interface); index != 0 {
			wanted[groupKey{o.Group.String(), index}] = func() (*udp.Membership, error) {
				return udp.Join(o.Group, index)
			}
		}
	}
	k.join(wanted)
}

// join enters the groups that are wanted and leaves the others.
func (k *keeper) join(wanted map[groupKey]func() (*udp.Membership, error)) {
	for key, m := range k.groups {
		if wanted[key] == nil {
			m.Close()
			delete(k.groups, key)
		}
	}
	for key, enter := range wanted {
		if k.groups[key] != nil {
			continue
		}
		m, err := enter()
		if err != nil {
			k.n.log.Debug("group not joined yet", "group", key.group, "err", err)
			continue
		}
		k.groups[key] = m
		k.n.log.Info("group joined", "group", key.group)
	}
}

func (k *keeper) leaveAll() {
	for key, m := range k.groups {
		m.Close()
		delete(k.groups, key)
	}
}

// refreshRoutes looks up the way to each VTEP of the segment and tells of what changed.
func (s *segment) refreshRoutes(own self) {
	l := s.leg.Load()
	for _, v := range l.vteps() {
		old, now := v.path.Load(), s.node.routes.to(v.remote, &l.options, own)
		if *old == *now {
			continue
		}
		v.path.Store(now)
		if old.state == now.state && old.reason == now.reason {
			continue
		}
		level := slog.LevelInfo
		switch {
		case !v.listed(): // anybody can make us learn one
			level = slog.LevelDebug
		case now.state != control.VTEPOK:
			level = slog.LevelWarn
		}
		s.log.Log(context.Background(), level, "vtep "+string(now.state), "vtep", v.name,
			"reason", now.reason)
		s.node.publishVTEP(control.EventVTEPState, s.vni, v)
	}
}
