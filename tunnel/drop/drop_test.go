package drop_test

import (
	"regexp"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// TestNames keeps the names as they are: they are in the JSON and in everybody's dashboards.
func TestNames(t *testing.T) {
	want := []string{
		"none", "truncated", "no_vni_flag", "vni_unknown", "vtep_unknown", "reserved_bits", "runt",
		"malformed", "own_mac", "source_invalid", "static_conflict", "ecn",
		"junk", "rate_limit", "cookie_needed", "auth", "no_session", "replay", "chunk_timeout", "not_member",
		"rights", "refused", "early", "not_relayed",
		"stun_refused", "stun_limit", "other_network", "not_lan",
		"same_port",
		"split_horizon", "no_port", "too_big", "loop", "send_error", "device_down", "device_full",
	}
	var got []string
	for r := drop.None; r.String() != "invalid"; r++ {
		got = append(got, r.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	word := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := make(map[string]bool)
	for _, name := range got {
		if !word.MatchString(name) || seen[name] {
			t.Errorf("%q is no name, or another reason's", name)
		}
		seen[name] = true
	}
	if s := drop.Reason(255).String(); s != "invalid" {
		t.Errorf("a reason that does not exist is %q", s)
	}
}

func TestCounters(t *testing.T) {
	var c drop.Counters
	if m := c.Map(); m == nil || len(m) != 0 {
		t.Errorf("new counters: %v", m)
	}
	c.Add(drop.None, 5)
	c.Add(drop.Runt, 0)
	if m := c.Map(); len(m) != 0 {
		t.Errorf("nothing dropped: %v", m)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				c.Add(drop.Loop, 1)
				c.Add(drop.DeviceFull, 2)
				c.Map()
			}
		})
	}
	wg.Wait()
	want := map[string]uint64{"loop": 4000, "device_full": 8000}
	if diff := cmp.Diff(want, c.Map()); diff != "" {
		t.Error(diff)
	}
}
