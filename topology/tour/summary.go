package tour

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/topology/explain"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// A natStory is what a NAT did.
type natStory struct {
	mapped  map[[2]netip.AddrPort]bool // inside and outside
	refused int
}

// countNATs notes what NATs made of a datagram. The caller holds mu.
func (t *teller) countNATs(j *simnet.Journey) {
	for i, hop := range j.Hops {
		if hop.NAT != nil && !hop.Inside {
			t.nat(hop.NAT).mapped[[2]netip.AddrPort{j.Hops[i-1].From, hop.From}] = true
		}
	}
	if j.End == simnet.Refused && j.By != nil {
		t.nat(j.By).refused++
	}
}

func (t *teller) nat(n *simnet.NAT) *natStory {
	name := t.w.SiteOf(n)
	if t.nats[name] == nil {
		t.nats[name] = &natStory{mapped: make(map[[2]netip.AddrPort]bool)}
	}
	return t.nats[name]
}

// summary says what it all came to.
func (t *teller) summary() {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := &t.text
	b.WriteString("\nWhat happened\n")
	relayed := t.times(func(p *Pinged) bool { return p.State.Relayed() })
	direct := t.times(func(p *Pinged) bool { return !p.State.Relayed() })
	switch {
	case t.relayed > 0 && t.direct > 0:
		fmt.Fprintf(b, "  relayed     from %.1f s to %.1f s%s\n", t.relayed.Seconds(), t.direct.Seconds(), relayed)
	case t.relayed > 0:
		fmt.Fprintf(b, "  relayed     from %.1f s to the end%s\n", t.relayed.Seconds(), relayed)
	}
	if t.direct > 0 {
		fmt.Fprintf(b, "  direct      from %.1f s on%s\n", t.direct.Seconds(), direct)
	}
	for _, name := range slices.Sorted(maps.Keys(t.nats)) {
		t.nats[name].write(b, name)
	}
	if rest := t.rest(); rest != "" {
		fmt.Fprintf(b, "  not shown   %s; --all shows them\n", rest)
	}
	t.wake()
}

// times is how many pings of a kind were answered, and how fast: "" for none.
func (t *teller) times(is func(*Pinged) bool) string {
	var all []time.Duration
	for i := range t.results {
		if p := &t.results[i]; p.Err == nil && is(p) {
			all = append(all, p.RTT)
		}
	}
	if len(all) == 0 {
		return ""
	}
	low, high := millis(slices.Min(all)), millis(slices.Max(all))
	if len(all) == 1 {
		return ": 1 ping, " + low
	}
	return fmt.Sprintf(": %d pings, %s to %s", len(all), low, high)
}

func (s *natStory) write(b *strings.Builder, name string) {
	fmt.Fprintf(b, "  %-11s", name+"'s NAT")
	pairs := slices.SortedFunc(maps.Keys(s.mapped), func(x, y [2]netip.AddrPort) int { return x[1].Compare(y[1]) })
	sep := ""
	for _, p := range pairs {
		fmt.Fprintf(b, "%s made %s of %s", sep, p[1], p[0])
		sep = ","
	}
	if s.refused > 0 {
		fmt.Fprintf(b, "%s turned %s away", sep, plural(s.refused, "datagram"))
	}
	b.WriteString("\n")
}

// kindNames are those of what may be left out.
var kindNames = []struct {
	kind explain.Kind
	name string
}{
	{explain.Ping, "ping of a path"},
	{explain.Probe, "probe"},
	{explain.Call, "call"},
	{explain.Control, "word of a relay"},
	{explain.STUN, "STUN message"},
	{explain.Opener, "opener"},
	{explain.Carried, "relayed handshake"},
	{explain.Direct, "direct frame"},
	{explain.Relayed, "relayed frame"},
	{explain.Other, "other"},
}

// rest counts what was not shown.
func (t *teller) rest() string {
	var all []string
	for _, k := range kindNames {
		if n := t.hidden[k.kind]; n > 0 {
			all = append(all, plural(n, k.name))
		}
	}
	return strings.Join(all, ", ")
}

// plural is "1 ping", "2 pings", and "2 pings of a path".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	noun, rest, _ := strings.Cut(what, " of ")
	if rest != "" {
		rest = " of " + rest
	}
	return fmt.Sprintf("%d %ss%s", n, noun, rest)
}
