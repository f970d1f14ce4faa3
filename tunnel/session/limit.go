package session

import (
	"net/netip"
	"time"
)

const (
	// addressRate is how many messages 1 of one address are looked at in a second, and as many again
	// with proof of it: a NAT with many nodes behind it gets along, a flood costs 40 key agreements.
	addressRate = 20
	// loadRate is how many there may be from everywhere before addresses must be proven.
	loadRate = 100
	// maxBuckets bounds the memory that strangers can take. Those beyond share one bucket.
	maxBuckets = 4096
)

// A bucket lets rate events through in a second, and as many at once.
type bucket struct {
	level float64
	at    time.Duration
}

// refill brings the level up to now.
func (b *bucket) refill(now time.Duration, rate float64) {
	b.level = min(rate, b.level+rate*(now-b.at).Seconds())
	b.at = now
}

func (b *bucket) take(now time.Duration, rate float64) bool {
	b.refill(now, rate)
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}

// A limiter has a bucket for every address: an IPv4 address, or the /64 that one IPv6 host has.
type limiter struct {
	buckets map[netip.Prefix]bucket
	shared  bucket
	swept   time.Duration
}

// allow reports whether a message 1 from the address may be looked at.
func (l *limiter) allow(now time.Duration, from netip.Addr) bool {
	bits := 64
	if from = from.Unmap(); from.Is4() {
		bits = 32
	}
	prefix, _ := from.Prefix(bits) // the zero Addr has the zero Prefix, and a bucket as well
	b, known := l.buckets[prefix]
	if !known {
		if len(l.buckets) >= maxBuckets && !l.sweep(now) {
			return l.shared.take(now, addressRate)
		}
		b = bucket{addressRate, now}
	}
	ok := b.take(now, addressRate)
	l.buckets[prefix] = b
	return ok
}

// sweep forgets the addresses whose buckets are full again, at most once a second, and reports
// whether there is room now.
func (l *limiter) sweep(now time.Duration) bool {
	if now-l.swept < time.Second {
		return false
	}
	l.swept = now
	for prefix, b := range l.buckets {
		if b.refill(now, addressRate); b.level >= addressRate {
			delete(l.buckets, prefix)
		}
	}
	return len(l.buckets) < maxBuckets
}
