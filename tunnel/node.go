package tunnel

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vxmesh/vxmesh/nat/lan"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A Node is this machine's part of a network: its segments, their devices, and the sockets they
// share. Make one with [New], move frames with [Node.Run].
type Node struct {
	// Constant.
	options  Options
	log      *slog.Logger
	start    time.Duration
	hashSeed uint64
	sockets  *sockets
	routes   routes
	keeper   *keeper
	mesh     *mesh
	resolver *resolver
	tap      *capture.Tap
	recorder capture.Recorder
	vitals   vitals

	// Read by every loop, replaced under mu.
	segments atomic.Pointer[map[uint32]*segment]

	hello atomic.Pointer[lan.Runner] // nil where there is none on the LAN

	mu      sync.Mutex // held by Apply and Run while segments come and go
	running *group
	ctx     context.Context // of Run; segments that come later start under it
	loop    *eventLoop      // of Run
}

// New opens the sockets and devices of a node. What it opened is closed by the end of [Node.Run],
// or by [Node.Close] when it is never run.
func New(o Options) (*Node, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = new(control.Hub)
	}
	if o.OpenDevice == nil {
		o.OpenDevice = tundev.Open
	}
	var r routes // the system's, unless its network is not ours
	if o.ListenUDP == nil {
		o.ListenUDP = listenUDP
	} else {
		r = blindRoutes{}
	}
	if o.Now == nil {
		o.Now = bootTime
	}
	if o.Probe == nil {
		o.Probe = tundev.Probe
	}
	if o.Lookup == nil {
		o.Lookup = lookup
	}
	if o.Guard == nil {
		o.Guard = func() {}
	}
	n := &Node{
		options: o, log: o.Log, start: o.Now(), hashSeed: rand.Uint64(), tap: new(capture.Tap),
		sockets: new(sockets), routes: r,
	}
	n.keeper, n.mesh, n.vitals.n = newKeeper(n), newMesh(n), n
	n.resolver = &resolver{m: n.mesh, woken: make(chan struct{}, 1)}
	n.segments.Store(&map[uint32]*segment{})
	if err := n.open(); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Node) open() (err error) {
	if n.routes == nil {
		if n.routes, err = newRoutes(); err != nil {
			return err
		}
	}
	// The mesh's port is a given one: it comes before the pool, which takes what is free.
	if err = n.mesh.add(n.options.Mesh.Peers); err != nil {
		return err
	}
	if slices.ContainsFunc(n.options.Segments, func(o SegmentOptions) bool { return o.Plain.exist() }) {
		opened, err := openSockets(n.options.ListenUDP, n.options.Listen)
		if err != nil {
			return err
		}
		n.sockets = opened
	}
	for _, o := range n.options.Segments {
		s, err := n.openSegment(o)
		if err != nil {
			return err
		}
		n.put(s)
	}
	n.keeper.refresh() // who is up is in its groups
	return nil
}

// openSegment makes a segment and looks once how its VTEPs are reached.
func (n *Node) openSegment(o SegmentOptions) (*segment, error) {
	if err := n.checkFamilies(o); err != nil {
		return nil, err
	}
	s, err := newSegment(n, o)
	if err != nil {
		return nil, err
	}
	s.refreshRoutes(n.self(append(n.segmentList(), s)))
	return s, nil
}

// checkFamilies makes sure that each remote has a socket of its family to be reached from.
func (n *Node) checkFamilies(o SegmentOptions) error {
	for _, a := range o.Plain.Remotes {
		if !n.sockets.has(a.Addr()) {
			return fmt.Errorf("vni %d: remote %s needs a listen.vxlan address of its family", o.VNI, a.Addr())
		}
	}
	if g := o.Plain.Group; g.IsValid() && !n.sockets.has(g) {
		return fmt.Errorf("vni %d: group %s needs a listen.vxlan address of its family", o.VNI, g)
	}
	return nil
}

// Run carries traffic until ctx ends or a part fails. Every goroutine of the engine starts here,
// or in [Node.Apply] while Run runs, and has ended when Run returns. A node runs once.
func (n *Node) Run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	g := n.guarded(all)
	n.mu.Lock()
	n.running, n.ctx, n.loop = g, ctx, newEventLoop(g.Go)
	for _, sock := range n.sockets.listening {
		n.serve(newDownlink(n, sock))
	}
	for _, s := range n.segmentList() {
		n.startSegment(s)
	}
	n.mesh.start()
	n.mu.Unlock()
	g.Go(func() error { return n.keeper.run(ctx) })
	g.Go(func() error { return n.mesh.run(ctx) })
	g.Go(func() error { return n.resolver.run(ctx) })
	if c := n.mesh.club; c != nil {
		g.Go(func() error { return c.keep(ctx) })
		g.Go(func() error { return c.serve(ctx) })
		g.Go(func() error { return n.hosts(ctx) })
	}
	g.Go(func() error { return n.lookAround(ctx) })
	g.Go(func() error { return n.routes.watch(ctx, n.underlayChanged) })
	g.Go(func() error {
		<-ctx.Done()
		n.mu.Lock()
		defer n.mu.Unlock()
		n.running = nil // Apply starts nothing any more
		n.mesh.goodbye()
		n.closeIO()
		n.loop.close()
		return nil
	})
	err := g.Wait()
	n.routes.close()
	return err
}

// startSegment has a segment's device read and kept alive. The caller holds mu.
func (n *Node) startSegment(s *segment) {
	n.serve(s.up)
	ctx := n.ctx
	n.running.Go(func() error { return s.dev.Run(ctx) })
	for _, g := range s.leg.Load().guests() {
		n.startGuest(g)
	}
}

// regroup has the segments learn of peers that came or went. The caller holds no lock but mu.
func (n *Node) regroup() {
	n.mesh.mu.Lock()
	due := n.mesh.regroup
	n.mesh.regroup = false
	n.mesh.mu.Unlock()
	if !due {
		return
	}
	for _, s := range n.segmentList() {
		s.regroup()
	}
}

// closeIO closes sockets and devices, which ends the loops that wait for them.
func (n *Node) closeIO() {
	n.sockets.close()
	n.mesh.closeSockets()
	var closing sync.WaitGroup // the kernel takes its time over each
	for _, s := range n.segmentList() {
		closing.Go(s.close)
	}
	closing.Wait()
}

// Close frees what New opened. It is for a node that is not run.
func (n *Node) Close() {
	n.keeper.leaveAll()
	n.closeIO()
	if n.routes != nil {
		n.routes.close()
	}
}

// now is the node's clock: monotonic, suspend included, from just before its start.
func (n *Node) now() time.Duration { return n.options.Now() - n.start + 1 }

// tick is now, for a batch of a loop: the recorder is told, too.
func (n *Node) tick() time.Duration {
	now := n.now()
	n.recorder.Tick(now)
	return now
}

// wall is the time of day, for people.
func (n *Node) wall() time.Time { return time.Now() }

// underlayChanged has everybody look again who depends on links, addresses or routes.
func (n *Node) underlayChanged() {
	n.keeper.wake()
	n.mesh.linksChanged()
}

// segment gives the segment of a VNI, or nil. The loops call it for every datagram.
func (n *Node) segment(vni uint32) *segment { return (*n.segments.Load())[vni] }

// Device gives the device of a segment, which closes with the segment; nil when there is no such
// segment. Anybody may call it at any time.
func (n *Node) Device(vni uint32) tundev.Device {
	if s := n.segment(vni); s != nil {
		return s.dev
	}
	return nil
}

// segmentList gives the segments by VNI.
func (n *Node) segmentList() []*segment {
	m := *n.segments.Load()
	list := make([]*segment, 0, len(m))
	for _, vni := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[vni])
	}
	return list
}

// put makes s the segment of its VNI. The caller holds mu, or is New.
func (n *Node) put(s *segment) {
	m := maps.Clone(*n.segments.Load())
	m[s.vni] = s
	n.segments.Store(&m)
}

// remove takes a segment away. The caller holds mu.
func (n *Node) remove(vni uint32) {
	m := maps.Clone(*n.segments.Load())
	delete(m, vni)
	n.segments.Store(&m)
}

// self tells what of the underlay is this node: nothing may be tunnelled there.
func (n *Node) self(segments []*segment) self {
	me := self{
		links: make(map[int]string, len(segments)), listens: append(n.sockets.addrs(), n.mesh.addrs()...),
	}
	for _, s := range segments {
		if index := n.routes.index(s.link()); index != 0 {
			me.links[index] = s.link()
		}
	}
	return me
}

// publish tells everybody who follows.
func (n *Node) publish(e control.Event) {
	e.Time = time.Now()
	n.options.Events.Publish(e)
}

// followed reports whether anybody is told.
func (n *Node) followed() bool { return n.options.Events.Followed() }

func (n *Node) publishVTEP(t control.EventType, vni uint32, v *vtep) {
	status := v.status()
	n.publish(control.Event{Type: t, VNI: vni, VTEP: &status})
}
