package tunnel

import (
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// bootTime is the time since the machine was started. Unlike Go's own monotonic time it counts
// while the machine sleeps, during which keys grow old too.
func bootTime() time.Duration {
	t := time.Now()
	if !isMonotonic(t) || !isMonotonic(processStart) {
		return booted.read()
	}
	return booted.at(t.Sub(processStart), t.UnixNano())
}

// isMonotonic reports whether a time has a reading of the monotonic clock: what [time.Now] gives has none when the time of
// day is before 1885 or after 2157, as that of a machine with a broken clock.
func isMonotonic(t time.Time) bool { return t != t.Round(0) }

var booted = bootClock{read: func() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return time.Since(processStart)
	}
	return time.Duration(ts.Nano())
}}

// A bootClock is CLOCK_BOOTTIME without a system call for each look, of which the loops need one for each batch. That
// clock is ahead of the monotonic one by what the machine slept. When it wakes up the kernel sets the
// time of day forward, too: as long as nobody does that, nothing has changed.
//
// Any number of goroutines may use it at once.
type bootClock struct {
	read func() time.Duration
	last atomic.Pointer[bootOffsets]
}

// bootOffsets is how far the other clocks are ahead of the monotonic one.
type bootOffsets struct {
	boot time.Duration
	wall time.Duration // that of day, since 1970
}

const (
	// clockJitter is how far two clocks are apart that were read one after the other. The machine may sleep so long in all
	// before that is noticed.
	clockJitter = 5 * time.Millisecond
	// carefulReads is how often they are read until nothing came in between.
	carefulReads  = 10
	carefulWithin = 50 * time.Microsecond
)

// at is the time by the clock when the others show mono and wall.
func (c *bootClock) at(mono time.Duration, wall int64) time.Duration {
	o, offset := c.last.Load(), time.Duration(wall)-mono
	if o == nil || (offset-o.wall).Abs() > clockJitter {
		o = &bootOffsets{boot: c.ahead(), wall: offset}
		c.last.Store(o)
	}
	return mono + o.boot
}

// ahead reads how far the clock is ahead of the monotonic one: less far than the reading says, by what came in between.
func (c *bootClock) ahead() time.Duration {
	least := time.Duration(math.MaxInt64)
	for range carefulReads {
		before := time.Since(processStart)
		least = min(least, c.read()-before)
		if time.Since(processStart)-before < carefulWithin {
			break
		}
	}
	return least
}
