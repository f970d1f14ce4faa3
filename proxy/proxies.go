package proxy

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A Stack is the network that only this process is in. Addresses are host:port with an IP address,
// or :port for all that the stack has.
type Stack interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	Listen(network, address string) (net.Listener, error)
	ListenPacket(network, address string) (net.PacketConn, error)
}

// A Kind is what a [Service] does.
type Kind string

// The kinds of services.
const (
	SOCKS   Kind = "socks"   // from here to where each client asks
	Forward Kind = "forward" // from here to one place there
	Publish Kind = "publish" // from there to one place here
)

// A Service is one thing that is offered.
type Service struct {
	VNI     uint32 // of the segment whose stack is meant
	Kind    Kind
	Network string // "tcp" or "udp"
	Listen  string // host:port of this machine; of a publish :port of the stack
	To      string // host:port; of a forward the host may be a member's name; "" of SOCKS
}

// Options is what [Proxies] are made of.
type Options struct {
	// Stack gives the stack of a segment as it is now, or nil.
	Stack func(vni uint32) Stack
	// Lookup gives the addresses that a member of the network has in a segment; none for a name that
	// nobody has. No other name is ever resolved.
	Lookup func(vni uint32, name string) []netip.Addr

	Log *slog.Logger // nil discards

	limits limits // for tests; zero is defaultLimits
}

// limits are what a service may cost.
type limits struct {
	conns     int           // connections of a service at once
	flows     int           // UDP conversations of a service at once
	idle      time.Duration // until a silent UDP conversation ends (RFC 4787, REQ-5)
	silent    time.Duration // until a silent connection ends (RFC 5382, REQ-5, wants 2 hours at least)
	half      time.Duration // the same when one direction of it has ended
	dial      time.Duration // until a connection has to be there
	handshake time.Duration // that a SOCKS client has to say what it wants
}

var defaultLimits = limits{
	conns: 512, flows: 256, idle: 2 * time.Minute, silent: 24 * time.Hour, half: time.Hour,
	dial: 15 * time.Second, handshake: 10 * time.Second,
}

// Proxies are the services that run. Make them with [New].
type Proxies struct {
	options Options

	mu      sync.Mutex
	running []*service      // as listed
	ctx     context.Context // of Run; nil before
	tasks   sync.WaitGroup
}

// New gives proxies that offer nothing yet.
func New(o Options) *Proxies {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.limits == (limits{}) {
		o.limits = defaultLimits
	}
	return &Proxies{options: o}
}

// Run serves until ctx ends. Every goroutine starts here, or in [Change.Commit] while Run runs, and has
// ended when Run returns. Proxies run once.
func (p *Proxies) Run(ctx context.Context) error {
	p.mu.Lock()
	p.ctx = ctx
	for _, s := range p.running {
		p.start(s)
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.Close()
	p.tasks.Wait()
	return nil
}

// Close gives back what Prepare opened. It is for proxies that do not run.
func (p *Proxies) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.running {
		s.stop()
	}
	p.running = nil
}

// start has a service serve. The caller holds mu.
func (p *Proxies) start(s *service) {
	if p.ctx == nil || p.ctx.Err() != nil {
		return
	}
	p.tasks.Go(s.serve)
	p.options.Log.Info("proxy opened", s.job.Load().attrs()...)
}

// Stats counts one service since it was opened.
type Stats struct {
	Service
	Open    int    // connections now, or UDP conversations
	Total   uint64 // of these
	Refused uint64 // because there were too many
	Failed  uint64 // because the other end could not be reached
	RxBytes uint64 // from the segment
	TxBytes uint64 // into the segment
}

// Stats counts every service, in the order of the list.
func (p *Proxies) Stats() []Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Stats, len(p.running))
	for i, s := range p.running {
		list[i] = s.stats()
	}
	return list
}
