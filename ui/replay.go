package ui

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// longestGap is how long a pause of a recording is at most: nobody watches a night go by.
const longestGap = 2 * time.Second

// replay plays events that `vxmesh events --json` has recorded, as fast as they came.
func replay(r io.Reader) func(context.Context) iter.Seq2[control.Event, error] {
	return func(ctx context.Context) iter.Seq2[control.Event, error] {
		return func(yield func(control.Event, error) bool) {
			lines := bufio.NewScanner(r)
			lines.Buffer(nil, 64<<20) // a snapshot with a full FDB is one line
			var last time.Time
			for n := 1; lines.Scan(); n++ {
				e, err := recorded(lines.Bytes(), n)
				if err != nil {
					yield(e, err)
					return
				}
				if !pause(ctx, e.Time.Sub(last), n > 1) || !yield(e, nil) {
					return
				}
				last = e.Time
			}
			if err := lines.Err(); err != nil {
				yield(control.Event{}, err)
			}
		}
	}
}

// recorded reads the n-th line of a recording.
func recorded(line []byte, n int) (e control.Event, err error) {
	if json.Unmarshal(line, &e) != nil || e.Type == "" {
		return e, fmt.Errorf("line %d of the recording is no event of vxmesh events --json", n)
	}
	if n == 1 && e.Type != control.EventSnapshot {
		return e, errors.New("the recording does not begin with a snapshot, as vxmesh events --json does")
	}
	return e, nil
}

// pause waits as long as the recording did; it reports whether to go on.
func pause(ctx context.Context, d time.Duration, wait bool) bool {
	if !wait || d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(min(d, longestGap))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
