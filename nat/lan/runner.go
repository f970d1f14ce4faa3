package lan

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/nat/netmon"
)

// Port is the UDP port that HELLOs are sent to, on every member.
const Port = 21586

// The groups that HELLOs are sent to, neither of which leaves the LAN.
var (
	group4 = netip.MustParseAddr("239.255.86.77")
	group6 = netip.MustParseAddr("ff02::5658")
)

// When HELLOs are sent, after the start and after every change of the network.
var (
	burst = []time.Duration{0, 1 * time.Second, 2 * time.Second} // each after the one before
	every = 30 * time.Second
)

// Options are what a [Runner] works with; all but Log are needed.
type Options struct {
	Beacon *Beacon

	// Port is where this node hears now; 0 to say nothing for the moment.
	Port func() uint16

	// Send sends a HELLO from the socket at that port, out of the interface, with a TTL or hop limit
	// of 1. It borrows the datagram until it returns, and is called from the goroutine of
	// [Runner.Run] only.
	Send func(datagram []byte, to netip.AddrPort, out netmon.Interface) error

	// Heard is called with what other members say, one call after the other. The address with the
	// HELLO's port is worth a handshake; a link-local one has the interface as its zone. Nothing is
	// heard until it returns.
	Heard func(from netip.AddrPort, h Hello, in netmon.Interface)

	Log *slog.Logger // nil: nowhere
}

// A Runner sends this node's HELLOs and hears those of others.
type Runner struct {
	o      Options
	listen func([]netmon.Interface) []socket
	wall   func() time.Time
	change chan struct{} // one token: there are new interfaces

	mu         sync.Mutex
	interfaces []netmon.Interface // that are used
	counts     Counts
	limit      limiter
	networks   map[Tag]bool // of others, today
	day        uint32       // of networks

	hearing sync.Mutex // held while Heard is called
}

// NewRunner makes a runner, which does nothing before [Runner.Run].
func NewRunner(o Options) *Runner {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Runner{o: o, wall: time.Now, change: make(chan struct{}, 1), networks: make(map[Tag]bool)}
	r.listen = r.openSockets
	return r
}

// Update says which interfaces there are, at the start and whenever something changed; HELLOs are
// sent at once then. It may be called at any time and does not wait.
func (r *Runner) Update(s netmon.State) {
	r.mu.Lock()
	r.interfaces = choose(s)
	r.mu.Unlock()
	select {
	case r.change <- struct{}{}:
	default:
	}
}

// maxInterfaces bounds the interfaces that are used. Linux lets a socket join 20 groups.
const maxInterfaces = 16

// choose takes the interfaces that may have members behind them, the one that leads to the Internet
// before all others.
func choose(s netmon.State) []netmon.Interface {
	var out []netmon.Interface
	for _, i := range s.Interfaces {
		if !i.Outward() || !i.Multicast || len(i.Prefixes) == 0 {
			continue
		}
		out = append(out, i)
		if last := len(out) - 1; i.Name == s.DefaultInterface {
			out[0], out[last] = out[last], out[0]
		}
	}
	return out[:min(len(out), maxInterfaces)]
}

// Run sends and hears until ctx ends, and returns nil then. What is on its way to Heard is waited
// for. On Linux it is about the network namespace of the calling thread, which must stay in it.
func (r *Runner) Run(ctx context.Context) error {
	var l *listener
	defer func() { l.close() }()
	next := time.NewTimer(0)
	defer next.Stop()
	sent := 0 // since the last change
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.change:
			l.close()
			l = r.open(ctx)
			sent = 0
		case <-next.C:
		}
		r.send()
		if sent++; sent < len(burst) {
			next.Reset(burst[sent])
		} else {
			next.Reset(every)
		}
	}
}

// send says HELLO on every interface, by each of the protocols that it speaks.
func (r *Runner) send() {
	port := r.o.Port()
	if port == 0 {
		return
	}
	hello := r.o.Beacon.Append(nil, r.wall(), port)
	for _, i := range r.used() {
		for _, group := range groupsOf(i) {
			if err := r.o.Send(hello, netip.AddrPortFrom(group, Port), i); err != nil {
				r.o.Log.Debug("cannot say hello", "interface", i.Name, "to", group, "error", err)
			}
		}
	}
}

func (r *Runner) used() []netmon.Interface {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.interfaces
}

// groupsOf are the groups that an interface's addresses can send to.
func groupsOf(i netmon.Interface) (out []netip.Addr) {
	four, six := false, false
	for _, p := range i.Prefixes {
		four = four || p.Addr().Is4()
		six = six || p.Addr().Is6()
	}
	if four {
		out = append(out, group4)
	}
	if six {
		out = append(out, group6.WithZone(i.Name))
	}
	return out
}
