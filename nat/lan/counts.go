package lan

import "time"

// Counts are what came, since the runner was made.
type Counts struct {
	Heard     uint64 // HELLOs of our network's other members
	Foreign   uint64 // HELLOs of other networks
	Malformed uint64 // anything else
	Strayed   uint64 // what cannot have come from the LAN

	// Networks is how many other networks were heard of today, of which at most 64 are told apart.
	Networks int
}

// maxNetworks bounds the tags that are kept.
const maxNetworks = 64

// Counts gives the counters. It may be called at any time.
func (r *Runner) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.counts
	c.Networks = len(r.networks)
	return c
}

func (r *Runner) count(f func(*Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.counts)
}

// countVerdict counts what a datagram was. Our own HELLOs come back to us, and count for nothing.
func (r *Runner) countVerdict(v verdict, b []byte, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch v {
	case ours:
		r.counts.Heard++
	case foreign:
		r.counts.Foreign++
		r.noteNetwork(b, now)
	case malformed:
		r.counts.Malformed++
	case own:
	}
}

// noteNetwork keeps the tag of another network. Tomorrow it has another.
func (r *Runner) noteNetwork(b []byte, now time.Time) {
	if day := dayOf(now); day != r.day {
		clear(r.networks)
		r.day = day
	}
	if m, ok := parse(b); ok && len(r.networks) < maxNetworks {
		r.networks[m.network] = true
	}
}
