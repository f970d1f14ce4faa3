package tundev

import "time"

const (
	backoffMin   = 100 * time.Millisecond
	backoffMax   = 5 * time.Second
	backoffQuiet = 10 * time.Second // without trouble, after which it starts again
)

// A backoff says how long to wait before the next repair, so that a device that somebody else keeps
// removing does not turn into a fight. The zero backoff is ready.
type backoff struct {
	step time.Duration
	last time.Time // of the last grow
}

// wait is the pause before a repair.
func (b *backoff) wait(now time.Time) time.Duration {
	if b.step == 0 || now.Sub(b.last) > backoffQuiet {
		b.step = backoffMin
	}
	return b.step
}

// grow doubles the pause: a repair had something to do or could not do it.
func (b *backoff) grow(now time.Time) {
	b.step = min(2*b.wait(now), backoffMax)
	b.last = now
}
