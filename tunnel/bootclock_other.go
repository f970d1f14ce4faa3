//go:build !linux

package tunnel

import "time"

// bootTime is Go's monotonic time, which on these systems counts while the machine sleeps or is the
// best there is.
func bootTime() time.Duration { return time.Since(processStart) }
