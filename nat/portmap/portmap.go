// Package portmap asks the router in front of this host to let one UDP port in: by PCP (RFC 6887),
// by NAT-PMP (RFC 6886) and by UPnP.
//
// Use it to become reachable from outside a NAT that does as it is asked. It works on IPv4 only, and
// believes nobody but the router itself. What it reports is what the router promised: that somebody
// gets through has to be tried by others. One goroutine runs [Mapper.Run]; everything else of a
// [Mapper] may be called by any number of goroutines.
package portmap

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// defaultLifetime is what RFC 6886, 3.3 recommends.
const defaultLifetime = 2 * time.Hour

// Options say what to map, and by which router.
type Options struct {
	// Port is this host's UDP port. The same one is wished for outside; another may be given.
	Port uint16
	// Gateway tells the router and this host's own address towards it, or that there is none. It
	// is called often and must not wait.
	Gateway func() (gateway, local netip.Addr, ok bool)
	// OnChange, when not nil, is told what [Mapper.Current] returns whenever the outer address, the
	// router or the protocol becomes another. It is called by the goroutine of [Mapper.Run], which
	// waits for it.
	OnChange func(Mapping, bool)
	// Nonce is what a PCP mapping belongs to: only who knows it can renew or delete it. A node that
	// uses the same one after a restart gets back what it left behind. Zero means a random one.
	Nonce [12]byte
	// Lifetime is how long a mapping is asked for, in whole seconds; 0 means two hours. It is
	// renewed at half.
	Lifetime time.Duration
	// NoUPnP leaves UPnP out.
	NoUPnP bool
	// Log gets a line per change; nil means none.
	Log *slog.Logger

	// ListenPacket and DialContext open the sockets, such as in another network namespace; nil
	// means the ordinary way. The address is this host's own for the one and the router's for the
	// other.
	ListenPacket func(ctx context.Context, network, address string) (net.PacketConn, error)
	DialContext  func(ctx context.Context, network, address string) (net.Conn, error)
}

// A Mapping is a way in that a router promised.
type Mapping struct {
	Protocol  string         // "pcp", "nat-pmp" or "upnp"
	External  netip.AddrPort // where to send to from outside; behind two routers it may be private
	Gateway   netip.Addr
	Expires   time.Time // zero when Permanent
	Permanent bool      // the router keeps it until it is deleted, or the router restarts
}

// A Mapper keeps one port mapped. [New] makes it.
type Mapper struct {
	opts Options
	wake chan struct{} // with room for one

	mu      sync.Mutex
	current Mapping
	mapped  bool
	refresh bool // delete and add
	changed bool // look again
}

// New prepares a mapper. Nothing is sent before [Mapper.Run] or [Mapper.Probe].
func New(o Options) *Mapper {
	o.Lifetime = cmp.Or(o.Lifetime.Truncate(time.Second), defaultLifetime)
	if o.Nonce == [12]byte{} {
		_, _ = rand.Read(o.Nonce[:]) // never fails
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ListenPacket == nil {
		o.ListenPacket = listenPacket
	}
	return &Mapper{opts: o, wake: make(chan struct{}, 1)}
}

// Current is the mapping that there is now.
func (m *Mapper) Current() (Mapping, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current, m.mapped
}

// Changed says that something about the network changed: the mapper looks whether the router is
// another and, when it is not, whether it still knows the mapping. It returns at once.
func (m *Mapper) Changed() { m.order(&m.changed) }

// Refresh says that nobody gets through the mapping: it is deleted and asked for again, for there
// are routers that list and renew what they no longer forward. That happens at most once a minute;
// what comes earlier waits. It returns at once.
func (m *Mapper) Refresh() { m.order(&m.refresh) }

func (m *Mapper) order(what *bool) {
	m.mu.Lock()
	*what = true
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default: // it is about to look anyhow
	}
}

// orders takes what was ordered since the last call.
func (m *Mapper) orders() (refresh, changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	refresh, changed = m.refresh, m.changed
	m.refresh, m.changed = false, false
	return refresh, changed
}

// set changes what [Mapper.Current] returns and tells about it.
func (m *Mapper) set(now Mapping, mapped bool) {
	m.mu.Lock()
	before, was := m.current, m.mapped
	m.current, m.mapped = now, mapped
	m.mu.Unlock()
	before.Expires, before.Permanent = now.Expires, now.Permanent
	if was == mapped && before == now {
		return
	}
	if mapped {
		m.opts.Log.Info("port mapped", "address", now.External, "gateway", now.Gateway,
			"protocol", now.Protocol)
	} else {
		m.opts.Log.Info("port no longer mapped", "address", before.External)
	}
	if m.opts.OnChange != nil {
		m.opts.OnChange(now, mapped)
	}
}

// gateway is the router that may be asked. Who has a public address needs no mapping, and a public
// router is not the user's own.
func (m *Mapper) gateway() (gateway, local netip.Addr, ok bool) {
	gateway, local, ok = m.opts.Gateway()
	gateway, local = gateway.Unmap(), local.Unmap()
	if !ok || !isInside(gateway) || !isInside(local) {
		return netip.Addr{}, netip.Addr{}, false
	}
	return gateway, local, true
}

// carriers are addresses between a carrier's NAT and its customers: RFC 6598.
var carriers = netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)

func isInside(a netip.Addr) bool {
	return a.Is4() && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || carriers.Contains(a))
}
