package simnet

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Conditions of one direction of a [Link]. The zero Conditions are a perfect wire.
type Conditions struct {
	Loss      float64 // probability that a datagram is lost
	Duplicate float64 // that it arrives twice
	Corrupt   float64 // that one to three of its bits are flipped, and no checksum notices

	Delay  time.Duration // of every datagram
	Jitter time.Duration // at most this much more, at random, so that datagrams overtake each other

	Rate uint64 // bits in a second, at most, with a queue of a fifth of a second; 0 for no limit

	MTU     int  // in bytes: larger IP packets that may not be fragmented vanish; 0 for none
	Refuses bool // the sender's system knows the MTU and refuses larger packets with EMSGSIZE

	Down bool // everything is lost
}

// Counts say what became of the datagrams of one direction.
type Counts struct {
	Sent, Lost, Duplicated, Corrupted uint64
	TooBig                            uint64 // of Lost, or refused
}

// A Link is the way between two hosts.
type Link struct {
	i    *Internet
	a, b *Host
}

// Link gives the way between two hosts, perfect until told otherwise. It may be one host twice.
func (i *Internet) Link(a, b *Host) *Link { return &Link{i: i, a: a, b: b} }

// Set changes the conditions of both directions from now on.
func (l *Link) Set(c Conditions) {
	l.SetFrom(l.a, c)
	l.SetFrom(l.b, c)
}

// SetFrom changes the conditions for what one of the two hosts sends from now on.
func (l *Link) SetFrom(h *Host, c Conditions) {
	l.i.mu.Lock()
	defer l.i.mu.Unlock()
	l.from(h).Conditions = c
}

// Counts of what one of the two hosts sent.
func (l *Link) Counts(h *Host) Counts {
	l.i.mu.Lock()
	defer l.i.mu.Unlock()
	return l.from(h).counts
}

func (l *Link) from(h *Host) *direction {
	switch h {
	case l.a:
		return l.i.direction(l.a, l.b)
	case l.b:
		return l.i.direction(l.b, l.a)
	}
	panic("simnet: the host is not at this link")
}

// A direction is one way of a link.
type direction struct {
	Conditions
	counts Counts
	rnd    *rand.Rand
	free   time.Time // when what was sent before is on the wire, at a Rate
}

// A copied is a packet that arrives some time after it was sent.
type copied struct {
	packet
	after time.Duration
}

// carry tells what arrives of a packet, and after which time.
func (d *direction) carry(p packet) (arrive []copied, tooBig bool) {
	d.counts.Sent++
	if d.MTU != 0 && p.whole && p.size > d.MTU {
		d.counts.TooBig++
		if d.Refuses {
			return nil, true
		}
		d.counts.Lost++
		return nil, false
	}
	if d.Down || d.happens(d.Loss) {
		d.counts.Lost++
		return nil, false
	}
	wait, fits := d.enqueue(p.size)
	if !fits {
		d.counts.Lost++
		return nil, false
	}
	arrive = append(arrive, d.pass(p, wait))
	if d.happens(d.Duplicate) {
		d.counts.Duplicated++
		p.data, p.trip = slices.Clone(p.data), p.trip.fork()
		arrive = append(arrive, d.pass(p, wait))
	}
	if d.happens(d.Corrupt) {
		d.counts.Corrupted++
		d.flip(arrive[0].data)
	}
	return arrive, false
}

// happens throws the dice.
func (d *direction) happens(probability float64) bool {
	return probability > 0 && d.rnd.Float64() < probability
}

// maxQueue is how long a packet may wait for those before it, at a Rate.
const maxQueue = 200 * time.Millisecond

// enqueue is how long it takes until a packet of so many bytes is on the wire, if there is room for it
// in the queue.
func (d *direction) enqueue(size int) (wait time.Duration, fits bool) {
	if d.Rate == 0 {
		return 0, true
	}
	now := time.Now()
	if d.free.Before(now) {
		d.free = now
	}
	if d.free.Sub(now) > maxQueue {
		return 0, false
	}
	d.free = d.free.Add(time.Duration(float64(8*size) / float64(d.Rate) * float64(time.Second)))
	return d.free.Sub(now), true
}

// pass gives a packet its delay.
func (d *direction) pass(p packet, wait time.Duration) copied {
	after := wait + d.Delay
	if d.Jitter > 0 {
		after += time.Duration(d.rnd.Int64N(int64(d.Jitter)))
	}
	return copied{p, after}
}

// flip flips one to three different bits.
func (d *direction) flip(data []byte) {
	bits := 8 * len(data)
	for _, bit := range d.rnd.Perm(bits)[:min(1+d.rnd.IntN(3), bits)] {
		data[bit/8] ^= 1 << (bit % 8)
	}
}
