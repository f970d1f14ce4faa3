package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reloading is the notification that a reload begins; the manager wants the monotonic time.
func reloading() string {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return ""
	}
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", ts.Nano()/1000)
}
