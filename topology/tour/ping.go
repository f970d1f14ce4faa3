package tour

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A Pinged is what became of one ping.
type Pinged struct {
	Number int
	RTT    time.Duration
	Err    error
	State  control.PeerState // how the other is reached when it is over
	Remote string            // where what is for it is sent, or which relay passes it on
}

// String says it in words.
func (p *Pinged) String() string {
	switch {
	case errors.Is(p.Err, context.DeadlineExceeded):
		return fmt.Sprintf("ping %d: no answer within %s", p.Number, pingPatience)
	case p.Err != nil:
		return fmt.Sprintf("ping %d: %v", p.Number, p.Err)
	case p.State.Relayed():
		return fmt.Sprintf("ping %d: answered after %s, through %s", p.Number, millis(p.RTT), p.Remote)
	}
	return fmt.Sprintf("ping %d: answered after %s, directly by %s", p.Number, millis(p.RTT), p.Remote)
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1e3) }

// log puts it into the host's log.
func (p *Pinged) log(h *topology.Host) {
	if p.Err != nil {
		h.Log().Warn(p.String())
		return
	}
	h.Log().Info(p.String())
}

// A Pinger has one host ping another every second or so.
type Pinger struct {
	From, To *topology.Host
	Addr     netip.Addr
	Every    time.Duration
	Count    int // 0 goes on until the end

	Before func(number int) // told that one is sent; nil tells nobody
	After  func(*Pinged)    // told what became of it
}

// pingPatience is how long an answer is waited for, and pingSize what a ping carries, in bytes: as much
// as ping's.
const (
	pingPatience = time.Second
	pingSize     = 56
)

// pinger has the first host ping the second.
func pinger(w *topology.World, o Options) *Pinger {
	return &Pinger{From: w.Host(Host1), To: w.Host(Host2), Addr: Target.Addr(), Every: o.Every, Count: o.Count}
}

// Run pings until the count is reached or ctx ends.
func (p *Pinger) Run(ctx context.Context) {
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	for number := 1; ctx.Err() == nil; number++ {
		if p.Before != nil {
			p.Before(number)
		}
		if result := p.once(ctx, number); ctx.Err() == nil {
			p.After(result)
		}
		if number == p.Count {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (p *Pinger) once(ctx context.Context, number int) *Pinged {
	limited, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	r := &Pinged{Number: number}
	r.RTT, r.Err = p.From.Ping(limited, p.Addr, pingSize)
	r.State, r.Remote = p.way()
	return r
}

// way is how the first host reaches the other now.
func (p *Pinger) way() (control.PeerState, string) {
	for _, peer := range p.From.Node.Peers().Peers {
		switch {
		case peer.Name != p.To.Name:
		case peer.Path == nil:
			return peer.State, ""
		case peer.Path.Via != "":
			return peer.State, peer.Path.Via
		default:
			return peer.State, peer.Path.Remote
		}
	}
	return control.PeerDown, ""
}
