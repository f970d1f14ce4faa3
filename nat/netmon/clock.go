package netmon

import "time"

// leap is by how much the clocks must run ahead before it counts as sleep. A busy machine may serve
// a timer late, and a wall clock is set forward by less when it is kept in time at all.
const leap = 5 * time.Second

// clocks are one moment on all clocks there are. Which of them stand still while the machine sleeps
// differs from system to system, and a virtual machine that was paused may only notice it on the
// wall clock, so the one that went on furthest is right. The price: a wall clock that is set
// forward looks like sleep, which costs a few packets.
type clocks struct {
	wall time.Time     // without the monotonic reading
	mono time.Duration // Go's own
	boot time.Duration // counts sleep, where there is such a clock; else 0
}

// since is how much time went by, as the clock says that went on furthest.
func (c clocks) since(earlier clocks) time.Duration {
	return max(c.wall.Sub(earlier.wall), c.mono-earlier.mono, c.boot-earlier.boot)
}

// processStart is the origin of Go's monotonic time.
var processStart = time.Now()

func (host) clocks() clocks {
	now := time.Now()
	return clocks{wall: now.Round(0), mono: now.Sub(processStart), boot: bootTime()}
}
