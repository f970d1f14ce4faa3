package tunnel

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

const (
	// hostEvery is how often it is looked whether the addresses that were taken are still ours alone.
	hostEvery = 250 * time.Millisecond
	// hostSettle is how long a node without a host waits to hear which ones others have. Alone it
	// would wait in vain.
	hostSettle = 3 * time.Second
	// hostAgain is how soon it looks again after all were taken.
	hostAgain = time.Minute
	// hostAnswers is how long it waits for what others know.
	hostAnswers = 700 * time.Millisecond
)

// An autoHost is a segment's host in the network's pool of addresses. The goroutine of hosts owns
// it, but for what status shows.
type autoHost struct {
	number int // 0: none yet
	lost   map[int]bool
	again  time.Duration // when to look next; 0: always
}

// addresses are those of the segment's device: the config's, and those of its host in the pool.
func (s *segment) addresses(o SegmentOptions) []netip.Prefix {
	list := slices.Clone(o.Device.Addresses)
	if c := s.node.mesh.club; o.Device.Auto && c != nil && s.auto.number > 0 {
		list = append(list, roster.Host(c.Anchor.ID(), s.auto.number)...)
	}
	return list
}

// overlay are this node's addresses within segments. It takes no lock.
func (n *Node) overlay() (out []roster.Overlay) {
	for _, s := range n.segmentList() {
		for _, p := range *s.own.Load() {
			if len(out) < roster.MaxOverlay {
				out = append(out, roster.Overlay{VNI: s.vni, Prefix: p})
			}
		}
	}
	return out
}

// hosts gives devices whose addresses are left to the network one that nobody else has, until ctx
// ends. It waits for disks and for answers from the segment, so it has a goroutine of its own.
func (n *Node) hosts(ctx context.Context) error {
	tick := time.NewTicker(hostEvery)
	defer tick.Stop()
	for {
		for _, s := range n.segmentList() {
			if err := s.settle(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("no address", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// settle sees that the segment has a host, if it is to, that no other node says is its own.
func (s *segment) settle(ctx context.Context) error {
	c := s.node.mesh.club
	s.mu.Lock()
	auto := s.options.Device.Auto
	s.mu.Unlock()
	if !auto {
		return nil
	}
	taken, ours := c.hostsOf(s.vni)
	free := func(n int) bool { return n > 0 && (!taken[n] || ours(n)) && !s.auto.lost[n] }
	if n := s.auto.number; free(n) {
		return nil
	} else if n > 0 {
		s.lose(n)
	}
	if now := s.node.now(); now < s.auto.again || now < hostSettle && !c.heard() && c.host(s.vni) == 0 {
		return nil
	}
	if last := c.host(s.vni); free(last) {
		return s.take(last)
	}
	return s.choose(ctx, taken)
}

// choose takes the first host that nobody has or answers for.
func (s *segment) choose(ctx context.Context, taken map[int]bool) error {
	c := s.node.mesh.club
	for _, n := range roster.HostOrder(c.self) {
		if taken[n] || s.auto.lost[n] || s.answers(ctx, n) {
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := s.take(n); err != nil || c.KeepHost == nil {
			return err
		}
		return c.KeepHost(s.vni, n)
	}
	s.auto.again = s.node.now() + hostAgain
	return fmt.Errorf("every host of the network's pool is taken in VNI %d", s.vni)
}

// lose notes that another node has this node's host, with more right to it.
func (s *segment) lose(n int) {
	if s.auto.lost == nil {
		s.auto.lost = make(map[int]bool)
	}
	s.auto.lost[n] = true
	s.mu.Lock()
	s.auto.number = 0
	s.mu.Unlock()
	s.log.Warn("another member has this node's address; taking another", "host", n)
}

// answers reports whether somebody in the segment has an address of a host.
func (s *segment) answers(ctx context.Context, n int) bool {
	var asking sync.WaitGroup
	var taken atomic.Bool
	for _, p := range roster.Host(s.node.mesh.club.Anchor.ID(), n) {
		asking.Go(func() {
			mac, err := s.probe(ctx, p.Addr())
			switch {
			case err != nil:
				s.log.Debug("address not probed", "addr", p.Addr(), "err", err)
			case !mac.IsZero():
				s.log.Info("address is taken", "addr", p.Addr(), "by", mac)
				taken.Store(true)
			}
		})
	}
	asking.Wait()
	return taken.Load()
}

// probe asks in the segment who has an address.
func (s *segment) probe(ctx context.Context, a netip.Addr) (ether.MAC, error) {
	type prober interface {
		Probe(ctx context.Context, a netip.Addr) (ether.MAC, error)
	}
	if p, ok := s.dev.(prober); ok {
		return p.Probe(ctx, a)
	}
	return s.node.options.Probe(ctx, s.dev.Name(), a)
}

// take gives the device the addresses of a host.
func (s *segment) take(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auto.number = n
	if err := s.dev.Reconfigure(s.deviceOptions(s.options)); err != nil {
		s.auto.number = 0
		return err
	}
	own := s.addresses(s.options)
	s.own.Store(&own)
	s.log.Info("addresses", "device", s.dev.Name(), "addresses", own)
	s.node.mesh.club.recordSoon()
	return nil
}

// hostsOf says which hosts other members have in a segment, and whether one of those that are
// claimed twice is ours: the node with the lower id keeps it.
func (c *membership) hostsOf(vni uint32) (taken map[int]bool, ours func(int) bool) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	taken = make(map[int]bool)
	before := make(map[int]bool)
	v4, _ := roster.Pool(c.Anchor.ID())
	for _, r := range c.roster.Members() {
		if r.ID == c.self || r.Record == nil {
			continue
		}
		for _, o := range r.Record.Overlay {
			if a := o.Prefix.Addr(); o.VNI == vni && v4.Contains(a) {
				n := int(a.As4()[3])
				taken[n] = true
				before[n] = before[n] || slices.Compare(r.ID[:], c.self[:]) < 0
			}
		}
	}
	return taken, func(n int) bool { return !before[n] }
}

// host is the host that this node was in a segment.
func (c *membership) host(vni uint32) int {
	if c.Host == nil {
		return 0
	}
	return c.Host(vni)
}

// heard reports whether this node has heard of the others: it began to compare what it knows with
// one of them, and there was time for the answers.
func (c *membership) heard() bool {
	now := c.m.n.now()
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	return slices.ContainsFunc(c.m.peers, func(p *peer) bool {
		return p.member != nil && p.heardOf.greeted > 0 && now-p.heardOf.greeted >= hostAnswers
	})
}

// recordSoon has this node's record say what is new.
func (c *membership) recordSoon() {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.refreshRecord()
	c.m.wake()
}

// addressWarnings name addresses that two members say are theirs.
func (c *membership) addressWarnings() (out []control.Warning) {
	holders := make(map[roster.Overlay]string)
	for _, r := range c.roster.Members() {
		if r.Record == nil {
			continue
		}
		for _, o := range r.Record.Overlay {
			o.Prefix = netip.PrefixFrom(o.Prefix.Addr(), o.Prefix.Addr().BitLen())
			if other, twice := holders[o]; twice {
				out = append(out, control.Warning{
					Code:    "address_conflict",
					Message: fmt.Sprintf("%s and %s both have %s in VNI %d", other, r.Name, o.Prefix.Addr(), o.VNI),
					Fix:     "give one of the two another in addresses of its [segments.device], and reload it",
				})
			}
			holders[o] = r.Name
		}
	}
	return out
}
