package control

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// How far back a [Recorder] goes, and in what steps.
const (
	secondsStep, secondsKept = time.Second, 600
	longStep, longKept       = 10 * time.Second, 360
	peersStep, peersKept     = 5 * time.Second, 120
)

// recordEvery is how often a [Recorder] looks.
const recordEvery = time.Second

// A Recorder measures how much a node carries and keeps it for charts: about 25 kB, and 2 kB for each
// peer. [Serve] has one of its own. All methods may be called concurrently.
type Recorder struct {
	stats func() Stats
	peers func() Peers

	mu      sync.Mutex
	seconds track
	long    track
	each    map[string]*track // of the peers there are, by name
	looked  time.Time         // when they were looked at last
}

// NewRecorder makes a recorder of what two functions of a [Backend] say.
func NewRecorder(stats func() Stats, peers func() Peers) *Recorder {
	return &Recorder{
		stats: stats, peers: peers, each: make(map[string]*track),
		seconds: track{step: secondsStep, kept: secondsKept}, long: track{step: longStep, kept: longKept},
	}
}

// Run records until ctx ends.
func (r *Recorder) Run(ctx context.Context) {
	tick := time.NewTicker(recordEvery)
	defer tick.Stop()
	r.Record(time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.Record(time.Now())
		}
	}
}

// Record looks once. It is to be called about once a second; what it misses is filled in with the
// average.
func (r *Recorder) Record(now time.Time) {
	total := totalOf(r.stats())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seconds.add(now, total)
	r.long.add(now, total)
	if r.looked.IsZero() || now.Sub(r.looked) > peersStep-recordEvery/2 {
		r.looked = now
		r.recordPeers(now, r.peers().Peers)
	}
}

// recordPeers adds to the tracks of the peers that there are, and forgets the others.
func (r *Recorder) recordPeers(now time.Time, peers []Peer) {
	there := make(map[string]*track, len(peers))
	for i := range peers {
		p := &peers[i]
		t := cmp.Or(r.each[p.Name], &track{step: peersStep, kept: peersKept})
		there[p.Name] = t
		rtt, loss := float64(NoValue), float64(NoValue)
		if p.Path != nil {
			rtt, loss = p.Path.RTTSeconds, p.Path.LossRatio
		}
		t.add(now, []float64{float64(p.RxBytes), float64(p.TxBytes)}, rtt, loss)
	}
	r.each = there
}

// History gives what was recorded.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := History{Schema: SchemaHistory, Seconds: r.seconds.series(), Long: r.long.series()}
	for _, name := range slices.Sorted(maps.Keys(r.each)) {
		t := r.each[name]
		h.Peers = append(h.Peers, PeerSeries{
			Name: name, Start: t.start(), StepSeconds: t.step.Seconds(),
			RxBytesPerSecond: t.column(0, 1), TxBytesPerSecond: t.column(1, 1),
			RTTSeconds: t.column(2, 1e6), LossRatio: t.column(3, 1e4),
		})
	}
	return h
}

// A track is the last values of some quantities, a column each, all equally long.
type track struct {
	step    time.Duration
	kept    int
	last    time.Time
	before  []float64 // the counters at last
	columns [][]float32
}

// add takes counters, of which the growth in a second is kept, and then gauges, which are kept as they
// are. One that is too early is left for the next.
func (t *track) add(now time.Time, counters []float64, gauges ...float64) {
	elapsed := now.Sub(t.last)
	if t.last.IsZero() {
		t.last, t.before = now, counters
		t.columns = make([][]float32, len(counters)+len(gauges))
		return
	}
	if elapsed < t.step-recordEvery/2 {
		return
	}
	steps := max(1, int(math.Round(min(elapsed.Seconds()/t.step.Seconds(), float64(t.kept)))))
	for i, n := range counters {
		grown := max(0, n-t.before[i]) // a part that ended took its count along
		t.push(i, grown/elapsed.Seconds(), steps)
	}
	for i, g := range gauges {
		t.push(len(counters)+i, g, steps)
	}
	t.last, t.before = now, counters
}

// push adds a value some times.
func (t *track) push(column int, value float64, times int) {
	c := t.columns[column]
	for range times {
		if len(c) == t.kept {
			copy(c, c[1:])
			c = c[:t.kept-1]
		}
		c = append(c, float32(value))
	}
	t.columns[column] = c
}

// start is when the step of the first value began.
func (t *track) start() time.Time {
	if len(t.columns) == 0 {
		return t.last
	}
	return t.last.Add(-time.Duration(len(t.columns[0])) * t.step).Round(0)
}

// column gives a copy, in whole parts of one: as many digits as are worth their bytes.
func (t *track) column(i int, parts float64) List[float64] {
	if i >= len(t.columns) {
		return nil
	}
	out := make(List[float64], len(t.columns[i]))
	for k, v := range t.columns[i] {
		out[k] = math.Round(float64(v)*parts) / parts
	}
	return out
}

func (t *track) series() Series {
	return Series{
		Start: t.start(), StepSeconds: t.step.Seconds(),
		RxBytesPerSecond: t.column(0, 1), TxBytesPerSecond: t.column(1, 1),
		RxFramesPerSecond: t.column(2, 1), TxFramesPerSecond: t.column(3, 1),
		DropsPerSecond: t.column(4, 1),
	}
}

// totalOf adds up what a [Series] shows, in its order.
func totalOf(s Stats) []float64 {
	var rxBytes, txBytes, rxFrames, txFrames uint64
	for i := range s.Segments {
		g := &s.Segments[i]
		rxBytes, txBytes = rxBytes+g.RxBytes, txBytes+g.TxBytes
		rxFrames, txFrames = rxFrames+g.RxFrames, txFrames+g.TxFrames
	}
	return []float64{
		float64(rxBytes), float64(txBytes), float64(rxFrames), float64(txFrames), float64(dropsOf(s)),
	}
}

// dropsOf counts each drop once: most are counted for the segment, and for the VTEP or peer as well.
func dropsOf(s Stats) (sum uint64) {
	segments, parties := make(Counts), make(Counts)
	for i := range s.Segments {
		segments.add(s.Segments[i].Drops)
	}
	for i := range s.VTEPs {
		parties.add(s.VTEPs[i].Drops)
	}
	for i := range s.Peers {
		parties.add(s.Peers[i].Drops)
	}
	for reason, n := range segments {
		parties[reason] = max(parties[reason], n)
	}
	for i := range s.Sockets {
		sum += s.Sockets[i].RxDrops + s.Sockets[i].Drops.Total()
	}
	return sum + parties.Total()
}

func (c Counts) add(more Counts) {
	for reason, n := range more {
		c[reason] += n
	}
}
