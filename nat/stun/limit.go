package stun

import (
	"maps"
	"net/netip"
	"time"
)

// What strangers get: so many answers a second, and as many at once after a pause.
const (
	perSource = 10
	perServer = 200
)

// maxSources bounds the table of those who were answered. A source is remembered for as long as its
// answers count, which is a second at most, and in a second no more than 2*perServer answers go out.
// So a sweep of a full table always makes room.
const maxSources = 1024

// A bucket holds a second's worth of answers. It is the time at which it will be full again.
type bucket time.Duration

// has tells whether there is an answer left in it at a rate per second.
func (b bucket) has(now time.Duration, rate int) bool {
	return time.Duration(b)+time.Second/time.Duration(rate) <= now+time.Second
}

// taken is the bucket without one answer.
func (b bucket) taken(now time.Duration, rate int) bucket {
	return max(b, bucket(now)) + bucket(time.Second/time.Duration(rate))
}

// A limiter says whether one more stranger is answered. The zero value is ready.
type limiter struct {
	all     bucket
	sources map[netip.Prefix]bucket
}

// take takes an answer from the server's bucket and from that of the source's network. It takes
// either both or none, so one network that asks too much costs the others nothing.
func (l *limiter) take(now time.Duration, from netip.Addr) bool {
	source := network(from)
	if !l.all.has(now, perServer) || !l.sources[source].has(now, perSource) {
		return false
	}
	l.all = l.all.taken(now, perServer)
	if l.sources == nil {
		l.sources = make(map[netip.Prefix]bucket)
	}
	if len(l.sources) >= maxSources {
		maps.DeleteFunc(l.sources, func(_ netip.Prefix, b bucket) bool { return b <= bucket(now) })
	}
	l.sources[source] = l.sources[source].taken(now, perSource)
	return true
}

// network is what counts as one source: who has one address of it can have the others.
func network(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 56
	}
	p, _ := a.Prefix(bits)
	return p
}
