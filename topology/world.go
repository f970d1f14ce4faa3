package topology

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/userspace"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// Options say who watches, and what a world is made with beside its plan. The zero value will do.
type Options struct {
	Level slog.Level // of what the nodes' logs keep
	// Log is given what the nodes log, beside their own logs, with the key node; nil for nobody.
	Log slog.Handler

	// Frames and Journeys are told of every frame of a host, and of every datagram of the underlay when
	// it has come to its end, by any number of goroutines; they must be quick and keep nothing.
	Frames   func(*Frame)
	Journeys func(*simnet.Journey)
	// Plain is told of what nodes with a Plain send and get, in the same way.
	Plain func(*PlainDatagram)

	Process func() control.NodeStats // what the process takes, for the nodes' stats; nil says nothing
	Version string                   // of the program, for the nodes' status

	// Open makes a host's device; nil is [userspace.Open].
	Open func(tundev.Options) (Stack, error)
}

// A World is a network that runs. Make one with [New].
type World struct {
	// Constant.
	plan    Plan
	options Options
	net     *simnet.Internet
	began   time.Time
	sites   map[string]*simnet.NAT
	hosts   []*Host
	faces   []capture.Interface // of a record
	tap     capture.Tap
	sent    memory

	mu   sync.Mutex // guards the rest, what changes have made of the plan
	line map[string]simnet.Conditions
	link map[[2]string]simnet.Conditions
}

// New builds what a plan says. What it opened is closed by the end of [World.Run], or by [World.Close]
// when it is never run.
func New(p Plan, o Options) (*World, error) {
	if o.Open == nil {
		o.Open = func(o tundev.Options) (Stack, error) { return userspace.Open(o) }
	}
	if o.Process == nil {
		o.Process = func() control.NodeStats { return control.NodeStats{} }
	}
	w := &World{
		plan: p, options: o, net: simnet.New(p.Seed), began: time.Now(), sites: make(map[string]*simnet.NAT),
		line: make(map[string]simnet.Conditions), link: make(map[[2]string]simnet.Conditions),
	}
	w.net.Watch(w.journey)
	for i := range p.Sites {
		w.addSite(&p.Sites[i])
	}
	for i := range p.Nodes {
		w.addHost(&w.plan.Nodes[i])
	}
	w.faces = w.places()
	for _, l := range p.Links {
		w.SetLink(l.Between[0], l.Between[1], l.Line)
	}
	for _, h := range w.hosts {
		var err error
		if h.Node, err = tunnel.New(w.engineOptions(h)); err != nil {
			w.Close()
			return nil, fmt.Errorf("start node %s: %w", h.Name, err)
		}
	}
	return w, nil
}

// addSite makes a site's router, after that which it is behind.
func (w *World) addSite(s *Site) *simnet.NAT {
	if n := w.sites[s.Name]; n != nil {
		return n
	}
	var n *simnet.NAT
	if outer := w.plan.site(s.Behind); outer != nil {
		n = w.addSite(outer).NAT(s.NAT, s.Address)
	} else {
		n = w.net.NAT(s.NAT, s.Address)
	}
	n.SetHairpin(s.Hairpin)
	if s.Unanswered > 0 || s.Stream > 0 {
		n.SetTimeouts(s.Unanswered, s.Stream)
	}
	w.sites[s.Name] = n
	w.setLine(s.Name, s.Line)
	return n
}

func (w *World) addHost(n *Node) {
	h := &Host{Name: n.Name, w: w, plan: n, logs: control.NewLogBuffer(w.options.Level)}
	h.log = slog.New(h.logs)
	if w.options.Log != nil {
		h.log = slog.New(slog.NewMultiHandler(h.logs, w.options.Log.WithAttrs([]slog.Attr{slog.String("node", n.Name)})))
	}
	if router := w.sites[n.Site]; router != nil {
		h.net = router.Host(n.Addresses...)
	} else {
		h.net = w.net.Host(n.Addresses...)
	}
	w.hosts = append(w.hosts, h)
}

// now is the nodes' clock.
func (w *World) now() time.Duration { return time.Since(w.began) }

// Plan is what the world was made of.
func (w *World) Plan() Plan { return w.plan }

// Hosts are all machines, in the order of the plan.
func (w *World) Hosts() []*Host { return slices.Clone(w.hosts) }

// Host gives a machine by its name, or nil.
func (w *World) Host(name string) *Host {
	for _, h := range w.hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// NeedHost gives a machine by its name, or an error that names the one that was probably meant.
func (w *World) NeedHost(name string) (*Host, error) {
	if h := w.Host(name); h != nil {
		return h, nil
	}
	var names []string
	for _, h := range w.hosts {
		names = append(names, h.Name)
	}
	e := control.Errorf(control.CodeNotFound, "there is no node %q%s", name, suggest.DidYouMean(name, names))
	e.Fix = []string{"nodes: " + strings.Join(names, ", ")}
	return nil, e
}

// Router gives the router of a site, or nil.
func (w *World) Router(site string) *simnet.NAT { return w.sites[site] }

// HostOf gives the machine of a journey, or nil.
func (w *World) HostOf(n *simnet.Host) *Host {
	for _, h := range w.hosts {
		if h.net == n {
			return h
		}
	}
	return nil
}

// SiteOf gives the name of the site whose router it is, "" for none.
func (w *World) SiteOf(n *simnet.NAT) string {
	for name, router := range w.sites {
		if router == n && n != nil {
			return name
		}
	}
	return ""
}

// Run runs all nodes until ctx ends or one of them fails; then nothing of the world is left. It is
// called once.
func (w *World) Run(ctx context.Context) error {
	defer w.net.Close()
	g, ctx := errgroup.WithContext(ctx)
	for _, h := range w.hosts {
		g.Go(func() error {
			if err := h.Node.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("node %s: %w", h.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// RunWhile runs the world until do returns, whose context ends when the world fails. It is called once, in
// place of Run.
func (w *World) RunWhile(ctx context.Context, do func(context.Context) error) error {
	ctx, end := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.Run(ctx) })
	g.Go(func() error {
		defer end()
		return do(ctx)
	})
	return g.Wait()
}

// Close frees what New opened. It is for a world that is not run.
func (w *World) Close() {
	for _, h := range w.hosts {
		if h.Node != nil {
			h.Node.Close()
		}
	}
	w.net.Close()
}
