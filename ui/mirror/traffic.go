package mirror

import (
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A Traffic is what went through a node in the past; all lists are oldest first, in units a second.
type Traffic struct {
	Seconds Series // of a second each, 10 minutes
	Decades Series // of ten seconds each, an hour
}

// A Series is rates at equal steps, as many of each.
type Series struct {
	Step               time.Duration
	RxBytes, TxBytes   []float64
	RxFrames, TxFrames []float64
	Drops              []float64
}

// Rates are what happens in a second.
type Rates struct {
	RxBytes, TxBytes, RxFrames, TxFrames, Drops float64
	CPU                                         float64 // 0 to 1 of one core
}

// SegmentRates are those of one segment.
type SegmentRates struct {
	RxFrames, TxFrames, RxBytes, TxBytes, Flooded, Moved, Learned float64
}

// counters are the sums at a time, from which rates are made.
type counters struct {
	at                                   time.Time
	rxBytes, txBytes, rxFrames, txFrames uint64
	drops                                uint64
	cpu                                  float64
	decade                               Rates // of this ten seconds so far, summed
	inDecade                             int
}

type dropSample struct {
	at   time.Time
	sums control.Counts
}

func (m *Mirror) setStats(s control.Stats) {
	m.Stats = s
	now := counters{at: m.Now, cpu: s.Node.CPUSeconds, decade: m.was.decade, inDecade: m.was.inDecade}
	for _, seg := range s.Segments {
		now.rxBytes += seg.RxBytes
		now.txBytes += seg.TxBytes
		now.rxFrames += seg.RxFrames
		now.txFrames += seg.TxFrames
	}
	drops := Drops(s)
	now.drops = drops.Total()
	elapsed := now.at.Sub(m.was.at).Seconds()
	if !m.was.at.IsZero() && elapsed > 0.05 {
		m.Rates = m.was.rates(now, elapsed)
		for range max(1, min(int(elapsed+0.5), seconds)) { // who looks away is told less often
			m.keep(&now)
		}
		m.rateSegments(s, elapsed)
		m.CPUPast = append(m.CPUPast[max(0, len(m.CPUPast)-cpuKept+1):], m.Rates.CPU)
	}
	m.segWas = make(map[uint32]control.SegmentStats, len(s.Segments))
	for _, seg := range s.Segments {
		m.segWas[seg.VNI] = seg
	}
	m.was = now
	m.keepDrops(drops)
}

// peersFor is how long the counters of peers events are the last word.
const peersFor = 15 * time.Second

// countPeers makes the peers' rates of the node's counters where no peers events come: whoever records
// without topics has none of them.
func (m *Mirror) countPeers(list []control.PeerStats) {
	if !m.peersAt.IsZero() && m.Now.Sub(m.peersAt) < peersFor {
		return
	}
	for _, s := range list {
		if p := m.Peer(s.Name); p != nil {
			p.count(s, m.Now)
		}
	}
}

// rates are those between two readings; a counter that went back is of a new process.
func (c counters) rates(now counters, elapsed float64) Rates {
	per := func(old, new uint64) float64 { return perSecond(old, new, elapsed) }
	return Rates{
		RxBytes: per(c.rxBytes, now.rxBytes), TxBytes: per(c.txBytes, now.txBytes),
		RxFrames: per(c.rxFrames, now.rxFrames), TxFrames: per(c.txFrames, now.txFrames),
		Drops: per(c.drops, now.drops), CPU: max(0, now.cpu-c.cpu) / elapsed,
	}
}

func perSecond(old, new uint64, elapsed float64) float64 {
	if new < old || elapsed <= 0 {
		return 0
	}
	return float64(new-old) / elapsed
}

// keep adds the last second to what is remembered, and every tenth time ten of them to the hour.
func (m *Mirror) keep(now *counters) {
	m.Traffic.Seconds.Step = time.Second
	m.Traffic.Seconds.add(m.Rates, seconds)
	d := &now.decade
	d.RxBytes += m.Rates.RxBytes
	d.TxBytes += m.Rates.TxBytes
	d.RxFrames += m.Rates.RxFrames
	d.TxFrames += m.Rates.TxFrames
	d.Drops += m.Rates.Drops
	now.inDecade++
	if now.inDecade < 10 {
		return
	}
	m.Traffic.Decades.Step = 10 * time.Second
	m.Traffic.Decades.add(Rates{
		RxBytes: d.RxBytes / 10, TxBytes: d.TxBytes / 10,
		RxFrames: d.RxFrames / 10, TxFrames: d.TxFrames / 10, Drops: d.Drops / 10,
	}, decades)
	now.decade, now.inDecade = Rates{}, 0
}

func (s *Series) add(r Rates, most int) {
	push := func(to *[]float64, v float64) {
		*to = append((*to)[max(0, len(*to)-most+1):], v)
	}
	push(&s.RxBytes, r.RxBytes)
	push(&s.TxBytes, r.TxBytes)
	push(&s.RxFrames, r.RxFrames)
	push(&s.TxFrames, r.TxFrames)
	push(&s.Drops, r.Drops)
}

func (m *Mirror) rateSegments(s control.Stats, elapsed float64) {
	m.segments = make(map[uint32]SegmentRates, len(s.Segments))
	for _, seg := range s.Segments {
		old := m.segWas[seg.VNI]
		per := func(old, new uint64) float64 { return perSecond(old, new, elapsed) }
		m.segments[seg.VNI] = SegmentRates{
			RxFrames: per(old.RxFrames, seg.RxFrames), TxFrames: per(old.TxFrames, seg.TxFrames),
			RxBytes: per(old.RxBytes, seg.RxBytes), TxBytes: per(old.TxBytes, seg.TxBytes),
			Flooded: per(old.FloodedFrames, seg.FloodedFrames),
			Moved:   per(old.FDB.Moved, seg.FDB.Moved), Learned: per(old.FDB.Learned, seg.FDB.Learned),
		}
	}
}

// Segment gives the rates of a segment.
func (m *Mirror) Segment(vni uint32) SegmentRates { return m.segments[vni] }

// Drops sums the drops of all parts by their reasons.
func Drops(s control.Stats) control.Counts {
	sum := control.Counts{}
	add := func(c control.Counts) {
		for reason, n := range c {
			sum[reason] += n
		}
	}
	for _, v := range s.Segments {
		add(v.Drops)
	}
	for _, v := range s.VTEPs {
		add(v.Drops)
	}
	for _, v := range s.Peers {
		add(v.Drops)
	}
	for _, v := range s.Sockets {
		add(v.Drops)
		if v.RxDrops > 0 {
			sum["receive_buffer"] += v.RxDrops
		}
	}
	return sum
}

// dropsEvery is how often the sums of the drops are kept.
const dropsEvery = 10 * time.Second

// keepDrops remembers the sums, so that those of the last minutes can be told.
func (m *Mirror) keepDrops(sums control.Counts) {
	n := len(m.dropsAt)
	if n > 0 && m.Now.Sub(m.dropsAt[n-1].at) < dropsEvery {
		return
	}
	m.dropsAt = append(m.dropsAt[max(0, n-decades+1):], dropSample{m.Now, sums})
}

// DropsWithin counts the drops by reason within the time before now, as far as the mirror goes back.
func (m *Mirror) DropsWithin(t time.Duration) control.Counts {
	now := Drops(m.Stats)
	for _, s := range m.dropsAt {
		if m.Now.Sub(s.at) > t {
			continue
		}
		for reason, n := range now {
			if old := s.sums[reason]; old <= n {
				now[reason] = n - old
			}
		}
		return now
	}
	return now
}

// setHistory takes in what the node remembers of the time before the mirror began.
func (m *Mirror) setHistory(h control.History) {
	m.Traffic.Seconds = seriesOf(h.Seconds)
	m.Traffic.Decades = seriesOf(h.Long)
	for _, p := range h.Peers {
		if known := m.Peer(p.Name); known != nil {
			known.setHistory(p, m.Now)
		}
	}
}

func seriesOf(s control.Series) Series {
	return Series{
		Step:    time.Duration(s.StepSeconds * float64(time.Second)),
		RxBytes: s.RxBytesPerSecond, TxBytes: s.TxBytesPerSecond,
		RxFrames: s.RxFramesPerSecond, TxFrames: s.TxFramesPerSecond, Drops: s.DropsPerSecond,
	}
}
