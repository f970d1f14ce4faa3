//go:build !linux

package netmon

import "time"

// bootTime does not exist here: the wall clock tells.
func bootTime() time.Duration { return 0 }
