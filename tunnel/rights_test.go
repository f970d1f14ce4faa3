package tunnel

import (
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// TestSourcesPerSegment holds that a limit is one of each segment, and what counts against it.
func TestSourcesPerSegment(t *testing.T) {
	l := &sources{max: 2, seen: make(map[station]time.Duration)}
	for i, tt := range []struct {
		vni  uint32
		mac  byte
		at   time.Duration
		want bool
	}{
		{7, 1, 0, true},
		{7, 2, 0, true},
		{7, 3, 0, false},
		{8, 3, 0, true},
		{8, 1, 0, true},
		{8, 2, 0, false}, // another segment, the same station or not
		{7, 1, time.Minute, true},
		{7, 3, sourceIdle - 1, false},
		{7, 3, sourceIdle, true},
		{7, 2, sourceIdle, false}, // 2 fell silent, 1 did not
	} {
		if got := l.allows(tt.vni, ether.MAC{5: tt.mac}, tt.at); got != tt.want {
			t.Errorf("%d: station %d in VNI %d at %v: %v", i, tt.mac, tt.vni, tt.at, got)
		}
	}
}
