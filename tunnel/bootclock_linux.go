package tunnel

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootTime is the time since the machine was started. Unlike Go's own monotonic time it counts
// while the machine sleeps, during which keys grow old too.
func bootTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return time.Since(processStart)
	}
	return time.Duration(ts.Nano())
}
