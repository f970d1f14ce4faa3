package chunk_test

import (
	"testing"

	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name            string
		n, headers, max int
		size, count     int
		repeat          int
	}{
		{"one datagram", 1440, 76, 1440, 1440, 1, 0},
		{"one with room to spare", 100, 76, 1440, 100, 1, 0},
		{"one byte too many", 1441, 0, 1440, 1440, 2, 0},
		{"room behind two", 1441, 76, 1440, 1440, 2, 77},
		{"two are not worth a third", 2850, 76, 1440, 1440, 2, 0},
		{"just room", 3*1440 - 77, 76, 1440, 1440, 3, 77},
		{"no room: one more chunk, all shorter", 8*1440 - 76, 76, 1440, 1281, 9, 85},
		{"full to the last byte", 8 * 1440, 76, 1440, 1289, 9, 81},
		{"eight of one length", 8*1440 - 777, 76, 1440, 1353, 8, 81},
		{"a longer copy than one byte can tell", 100*600 - 500, 200, 600, 598, 100, 201},
		{"so short that the last would be empty", 120*3 - 60, 9, 3, 3, 100, 0},
		{"seven are not worth an eighth", 7 * 1440, 76, 1440, 1440, 7, 0},
		{"the most chunks, and no room", 128 * 100, 76, 100, 100, 128, 0},
		{"no headers", 3 * 1440, 0, 1440, 1440, 3, 0},
		{"longest headers", 3000, 254, 1440, 1440, 3, 255},
		{"too long headers", 3000, 255, 1440, 1440, 3, 0},
		{"headers longer than a chunk", 1000, 200, 100, 100, 10, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, ok := chunk.NewPlan(c.n, c.headers, c.max)
			if !ok || p.Size != c.size || p.Count != c.count || p.Copy != c.repeat {
				t.Errorf("plan is %+v, %v; want size %d, count %d, copy %d", p, ok, c.size, c.count, c.repeat)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, c := range []struct {
		name            string
		n, headers, max int
	}{
		{"nothing", 0, 0, 1440},
		{"no room in a datagram", 1, 0, 0},
		{"129 chunks", 128*100 + 1, 0, 100},
		{"longer than any frame", chunk.MaxData + 1, 0, 1440},
	} {
		if p, ok := chunk.NewPlan(c.n, c.headers, c.max); ok {
			t.Errorf("%s: plan %+v", c.name, p)
		}
	}
}

// Bulk TCP over a link of 1500 bytes: at least 95 % of the IP packets are its payload.
func TestPlanIsFrugal(t *testing.T) {
	const link, outer = 1500, 20 + 8 + wire.Overhead
	for _, headers := range []int{14 + 20 + 32, 14 + 40 + 32} {
		// From 44 to 45.9 segments of 1448 bytes: wherever the message's end falls in a chunk.
		for payload := 44 * 1448; payload <= 65535-52-20; payload++ {
			n := offload.HeaderLen + headers + payload
			p, ok := chunk.NewPlan(n, offload.HeaderLen+headers, link-outer)
			if !ok || p.Copy == 0 {
				t.Fatalf("plan for %d bytes is %+v", n, p)
			}
			total := p.Total() + p.Count*outer
			if share := float64(payload) / float64(total); share < 0.95 {
				t.Fatalf("%d of %d bytes are payload: %.2f %%", payload, total, 100*share)
			}
		}
	}
}

// What every plan promises.
func FuzzPlan(f *testing.F) {
	f.Add(1, 0, 1)
	f.Add(65549, 76, 1440)
	f.Add(3*1440, 76, 1440)
	f.Add(12800, 254, 100)
	f.Fuzz(func(t *testing.T, n, headers, max int) {
		p, ok := chunk.NewPlan(n, headers, max)
		if !ok {
			return
		}
		if p.Count < 1 || p.Count > wire.MaxChunks || p.Total() != n+p.Copy ||
			p.Count == 1 && p.Copy > 0 {
			t.Fatalf("plan for %d bytes is %+v", n, p)
		}
		if p.Copy != 0 && (p.Copy < headers+1 || p.Copy > min(chunk.MaxCopy, n)) {
			t.Fatalf("a copy of %d bytes for %d of headers", p.Copy, headers)
		}
		if p.Copy != 0 && p.Copy > headers+1 && p.Len(p.Count-1) != p.Size {
			t.Fatalf("a longer copy than needed, and the last chunk of %+v has %d bytes", p, p.Len(p.Count-1))
		}
		checkRanges(t, p, n, max)
	})
}

// checkRanges wants chunks that cover n bytes and fit.
func checkRanges(t *testing.T, p chunk.Plan, n, max int) {
	at := 0
	for i := range p.Count {
		from, to := p.Range(i)
		if from != at || to < from || p.Len(i) > max || p.Len(i) == 0 {
			t.Fatalf("chunk %d of %+v is %d-%d, %d bytes in all", i, p, from, to, p.Len(i))
		}
		if last := i == p.Count-1; !last && p.Len(i) != p.Size || last && p.Len(i) > p.Size {
			t.Fatalf("chunk %d of %+v has %d bytes", i, p, p.Len(i))
		}
		at = to
	}
	if at != n {
		t.Fatalf("%+v covers %d of %d bytes", p, at, n)
	}
}
