package netns

import (
	"fmt"
	"time"
)

// pollEvery is how often [Eventually] looks: often enough not to slow a test down, seldom enough
// to leave the processor to what is waited for.
const pollEvery = 20 * time.Millisecond

// Eventually calls check until it returns nil, at most for the time given; its last error is the
// one returned.
func Eventually(limit time.Duration, check func() error) error {
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s: %w", limit, err)
		}
		<-tick.C
	}
}
