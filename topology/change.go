package topology

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// A Change is something that happens to a site or a node. What is nil stays as it is.
type Change struct {
	Loss   *float64       `json:"loss,omitempty"` // 0 to 1, in each direction
	Delay  *time.Duration `json:"delay,omitempty"`
	Jitter *time.Duration `json:"jitter,omitempty"`
	Rate   *uint64        `json:"rate,omitempty"` // bits in a second; 0 for no limit
	Down   *bool          `json:"down,omitempty"`

	// Of a site alone.
	NAT     *simnet.NATKind `json:"nat,omitempty"`     // another router, which knows nothing yet
	Address *netip.Addr     `json:"address,omitempty"` // another outside address
	Flush   bool            `json:"flush,omitempty"`   // the router forgets all flows
	Reboot  time.Duration   `json:"reboot,omitempty"`  // it does, and forwards nothing for so long
}

// String says it in words.
func (c Change) String() string {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if c.Down != nil {
		say("%s", map[bool]string{true: "down", false: "up"}[*c.Down])
	}
	if c.Loss != nil {
		say("loss %g%%", 100**c.Loss)
	}
	if c.Delay != nil {
		say("delay %s", *c.Delay)
	}
	if c.Jitter != nil {
		say("jitter %s", *c.Jitter)
	}
	if c.Rate != nil {
		say("rate %d bit/s", *c.Rate)
	}
	if c.NAT != nil {
		say("NAT %s", *c.NAT)
	}
	if c.Address != nil {
		say("address %s", *c.Address)
	}
	if c.Flush {
		say("all flows forgotten")
	}
	if c.Reboot > 0 {
		say("reboot for %s", c.Reboot)
	}
	return strings.Join(words, ", ")
}

// Change has something happen to a site or a node of that name. When it is refused, nothing happens.
func (w *World) Change(name string, c Change) error {
	if err := c.check(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	router, host := w.sites[name], w.Host(name)
	switch {
	case router == nil && host == nil:
		return control.Errorf(control.CodeNotFound, "there is no site or node %q%s", name, suggest.DidYouMean(name, w.names()))
	case router == nil && (c.NAT != nil || c.Address != nil || c.Flush || c.Reboot > 0):
		return control.Errorf(control.CodeUsage, "%s is a node, and only a site has a NAT", name)
	}
	if c.Address != nil {
		if err := w.moveRouter(router, *c.Address); err != nil {
			return err
		}
	}
	line := c.apply(w.line[name])
	if router == nil {
		w.setHost(host, line)
		return nil
	}
	w.setLine(name, line)
	if c.NAT != nil {
		router.SetKind(*c.NAT)
	}
	if c.Flush {
		router.Flush()
	}
	if c.Reboot > 0 {
		router.Reboot(c.Reboot)
	}
	return nil
}

// maxDelay is how long a datagram may take.
const maxDelay = 10 * time.Second

// check says what makes the change impossible.
func (c *Change) check() error {
	for _, d := range []*time.Duration{c.Delay, c.Jitter} {
		if d != nil && (*d < 0 || *d > maxDelay) {
			return control.Errorf(control.CodeUsage, "a delay is 0 to %v, not %v", maxDelay, *d)
		}
	}
	if c.Loss != nil && !(*c.Loss >= 0 && *c.Loss <= 1) {
		return control.Errorf(control.CodeUsage, "a loss is 0%% to 100%%, not %g%%", 100**c.Loss)
	}
	return nil
}

// apply gives the conditions with the change made.
func (c *Change) apply(to simnet.Conditions) simnet.Conditions {
	set(&to.Loss, c.Loss)
	set(&to.Delay, c.Delay)
	set(&to.Jitter, c.Jitter)
	set(&to.Rate, c.Rate)
	set(&to.Down, c.Down)
	return to
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// names are those of all that can be changed.
func (w *World) names() (all []string) {
	for _, s := range w.plan.Sites {
		all = append(all, s.Name)
	}
	for _, h := range w.hosts {
		all = append(all, h.Name)
	}
	return all
}

// moveRouter gives a router another outside address, unless somebody has it.
func (w *World) moveRouter(router *simnet.NAT, to netip.Addr) error {
	if !to.Is4() {
		return control.Errorf(control.CodeUsage, "%s is not an IPv4 address, which is what a NAT translates", to)
	}
	for name, other := range w.sites {
		if other.Addr() == to && other != router {
			return control.Errorf(control.CodeConflict, "%s is the address of %s", to, name)
		}
	}
	for _, h := range w.hosts {
		for _, a := range h.net.Addrs() {
			if a == to {
				return control.Errorf(control.CodeConflict, "%s is an address of %s", to, h.Name)
			}
		}
	}
	router.SetAddr(to)
	return nil
}

// setLine makes the line of a site so.
func (w *World) setLine(site string, c simnet.Conditions) {
	w.line[site] = c
	w.sites[site].SetOut(c)
	w.sites[site].SetIn(c)
}

// setHost makes the line of a node so.
func (w *World) setHost(h *Host, c simnet.Conditions) {
	w.line[h.Name] = c
	for _, other := range w.hosts {
		if other != h {
			w.relink(h, other)
		}
	}
}

// SetLink makes the way between two nodes so, in place of what the plan says. Both must be there.
func (w *World) SetLink(a, b string, c simnet.Conditions) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.link[pairOf(a, b)] = c
	w.relink(w.Host(a), w.Host(b))
}

// relink makes the way between two nodes what their lines and the link are, one after the other.
func (w *World) relink(a, b *Host) {
	lines := worse(w.line[a.Name], w.line[b.Name])
	w.net.Link(a.net, b.net).Set(worse(w.link[pairOf(a.Name, b.Name)], lines))
}

func pairOf(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

// worse is what two lines one after the other are.
func worse(a, b simnet.Conditions) simnet.Conditions {
	return simnet.Conditions{
		Loss: 1 - (1-a.Loss)*(1-b.Loss), Duplicate: max(a.Duplicate, b.Duplicate),
		Corrupt: max(a.Corrupt, b.Corrupt), Delay: a.Delay + b.Delay, Jitter: a.Jitter + b.Jitter,
		Rate: slower(a.Rate, b.Rate), MTU: int(slower(uint64(a.MTU), uint64(b.MTU))),
		Refuses: a.Refuses || b.Refuses, Down: a.Down || b.Down,
	}
}

// slower is the smaller of two limits, of which 0 is none.
func slower(a, b uint64) uint64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
