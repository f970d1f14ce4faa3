package netmon

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootTime is the time since the machine was started, asleep or awake.
func bootTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
