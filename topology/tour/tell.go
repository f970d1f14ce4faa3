package tour

import (
	"cmp"
	"context"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Tell runs the demo and writes on out what happens, until the last ping is answered or ctx ends.
func Tell(ctx context.Context, out io.Writer, o Options) error {
	o.complete()
	o.Count = cmp.Or(o.Count, usualCount)
	t := newTeller(o.All)
	o.World.Frames, o.World.Journeys, o.World.Plain = t.frame, t.journey, t.plain
	w, err := topology.New(Plan(o.Seed, o.Kernel), o.World)
	if err != nil {
		return err
	}
	t.begin(w, &o)
	return o.run(ctx, w, func(ctx context.Context) error {
		ctx, end := context.WithCancel(ctx)
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return t.write(ctx, out) })
		g.Go(func() error { t.follow(ctx, w.Host(Host1)); return nil })
		g.Go(func() error {
			defer end()
			t.pings(ctx, pinger(w, o))
			if ctx.Err() == nil {
				t.summary()
			}
			return nil
		})
		return g.Wait()
	})
}

// pings has the first host ping the second when it has an address and a way. Every packet is shown until
// one was answered, and again until one was that went directly.
func (t *teller) pings(ctx context.Context, p *Pinger) {
	select {
	case <-ctx.Done():
		return
	case <-t.ready:
	}
	var direct bool // as this one is sent
	answered := make(map[bool]bool)
	p.Before = func(number int) {
		state, _ := p.way()
		direct = state == control.PeerDirect
		t.detail(!answered[direct])
		if number == 1 {
			t.say("▶ %s pings %s", Host1, Target.Addr())
		}
	}
	p.After = func(r *Pinged) {
		t.detail(false)
		answered[direct] = answered[direct] || r.Err == nil
		t.pinged(r)
	}
	p.Run(ctx)
}

// pinged tells what became of a ping.
func (t *teller) pinged(r *Pinged) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.results = append(t.results, *r)
	t.line(time.Now(), "%s", r)
}

// follow tells how the first host reaches the second, when that changes.
func (t *teller) follow(ctx context.Context, h *topology.Host) {
	events, stop := h.Events().Subscribe()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-events:
			if !open {
				return
			}
			if e.Type == control.EventPeerState && e.Peer != nil && e.Peer.Name == Host2 {
				t.state(e.Peer)
			}
		}
	}
}

// stateTexts are how the second host is reached.
var stateTexts = map[control.PeerState]string{
	control.PeerDirect:   "reaches host2 DIRECTLY now, at ",
	control.PeerRelayed:  "reaches host2 through the relay",
	control.PeerPunching: "tries to reach host2 directly; until then the relay passes on",
	control.PeerDown:     "does not reach host2",
}

// state tells how the second host is reached from now on.
func (t *teller) state(p *control.Peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reached == p.State {
		return
	}
	t.reached = p.State
	text := stateTexts[p.State]
	switch since := time.Since(t.began); {
	case p.State == control.PeerDirect:
		t.direct = cmp.Or(t.direct, since)
		if p.Path != nil {
			text += p.Path.Remote
		}
	case p.State.Relayed():
		t.relayed = cmp.Or(t.relayed, since)
	}
	t.line(time.Now(), "▶ %s %s", Host1, text)
	t.beReady()
}
