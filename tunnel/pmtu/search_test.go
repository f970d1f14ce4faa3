package pmtu_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/pmtu"
)

// TestFinds goes over true MTUs and ceilings on a path without loss.
func TestFinds(t *testing.T) {
	t.Parallel()
	for _, ceiling := range []int{576, 1280, 1400, 1500, 9000, 9216, 65535} {
		for mtu := 576; mtu <= ceiling; mtu += 1 + mtu/100 {
			checkFound(t, false, ceiling, mtu)
			if mtu >= 1280 {
				checkFound(t, true, ceiling, mtu)
			}
		}
	}
}

func checkFound(t *testing.T, v6 bool, ceiling, mtu int) {
	t.Helper()
	p := newPath(t, v6, ceiling, mtu)
	p.run(5 * time.Second)
	if got := p.s.Size(); got > mtu || got <= mtu-16 {
		t.Errorf("v6 %t, ceiling %d, true MTU %d: found %d after 5 s, probes %v",
			v6, ceiling, mtu, got, p.sizes)
	}
}

// TestCommonSizesAreExact: the search hits what paths usually have.
func TestCommonSizesAreExact(t *testing.T) {
	t.Parallel()
	for _, mtu := range []int{576, 1280, 1350, 1400, 1420, 1452, 1480, 1492, 1500, 8900, 9000} {
		p := newPath(t, false, 9000, mtu)
		t.Logf("%d: %v", mtu, p.settle(mtu, 5*time.Second))
	}
}

// TestLinkMTUIsUsedAtOnce: the usual path costs two round trips.
func TestLinkMTUIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	for _, ceiling := range []int{1500, 9000} {
		p := newPath(t, false, ceiling, ceiling)
		if took := p.settle(ceiling, time.Second); took > 30*time.Millisecond {
			t.Errorf("%d bytes were in use after %v", ceiling, took)
		}
	}
}

func TestStartsWithTheFloor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v6            bool
		ceiling, want int
	}{
		{false, 1500, 576},
		{true, 1500, 1280},
		{false, 100, 576},
		{true, 600, 1280},
		{false, 0, 576},
	} {
		if got := pmtu.New(c.v6, c.ceiling).Size(); got != c.want {
			t.Errorf("v6 %t, ceiling %d: starts with %d, want %d", c.v6, c.ceiling, got, c.want)
		}
	}
}

// TestFirstProbe is the base, which nearly every path carries.
func TestFirstProbe(t *testing.T) {
	t.Parallel()
	for _, v6 := range []bool{false, true} {
		size, number, ok := pmtu.New(v6, 1500).Next(0)
		if size != 1280 || number == 0 || !ok {
			t.Errorf("v6 %t: the first probe is %d, %d, %t", v6, size, number, ok)
		}
	}
}

// TestBlackHole: large packets vanish while small ones pass.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, after int }{
		{1500, 1400}, {1500, 1280}, {1420, 600}, {9000, 1500},
	} {
		for _, trip := range []time.Duration{
			time.Millisecond, 50 * time.Millisecond, 400 * time.Millisecond,
		} {
			t.Run(fmt.Sprint(c, trip), func(t *testing.T) {
				t.Parallel()
				checkBlackHole(t, c.before, c.after, trip)
			})
		}
	}
}

func checkBlackHole(t *testing.T, before, after int, trip time.Duration) {
	p := newPath(t, false, before, before)
	p.trip, p.busy = trip, true
	p.settle(before, 5*time.Second)
	p.run(time.Minute)
	p.mtu = after
	p.run(5 * time.Second)
	p.run(10*time.Second, func() {
		if p.s.Size() > after {
			t.Fatalf("size %d on a path of %d after 5 s", p.s.Size(), after)
		}
	})
	if p.s.Size() <= after-16 {
		t.Errorf("size %d on a path of %d", p.s.Size(), after)
	}
}

// TestBlackHoleAfterSilence: the first large packets after a long time find a smaller path.
func TestBlackHoleAfterSilence(t *testing.T) {
	t.Parallel()
	p := newPath(t, true, 1500, 1500)
	p.run(time.Hour)
	p.mtu, p.busy = 1400, true
	if took := p.settle(1400, 8*time.Second); took > 6*time.Second {
		t.Errorf("found the new size after %v", took)
	}
}

// TestOneBurstIsEnough: a sender that waits for acknowledgements falls silent in a black hole.
func TestOneBurstIsEnough(t *testing.T) {
	t.Parallel()
	p := newPath(t, true, 1500, 1500)
	p.run(time.Minute)
	p.mtu = 1300
	p.s.Traffic(p.now)
	p.settle(1300, 8*time.Second)
}

// TestQuietWithoutTraffic: a search that has found the link's MTU sends nothing.
func TestQuietWithoutTraffic(t *testing.T) {
	t.Parallel()
	p := newPath(t, false, 1500, 1500)
	p.run(time.Minute)
	sent := len(p.probes)
	p.run(time.Hour)
	if len(p.probes) != sent || p.s.Deadline() != pmtu.Never {
		t.Errorf("%d probes in an idle hour, deadline %v", len(p.probes)-sent, p.s.Deadline())
	}
	p.busy = true
	p.run(time.Minute)
	if n := len(p.probes) - sent; n < 28 || n > 32 {
		t.Errorf("%d probes in a minute of traffic, want one every 2 s", n)
	}
}

// TestRaises: a path that grew is noticed within ten minutes.
func TestRaises(t *testing.T) {
	t.Parallel()
	p := newPath(t, false, 1500, 1400)
	p.run(time.Hour)
	sent := len(p.probes)
	p.run(time.Hour)
	if n := len(p.probes) - sent; n < 6 || n > 120 {
		t.Errorf("%d probes in an hour on a path smaller than its link", n)
	}
	p.mtu = 1500
	p.settle(1500, 10*time.Minute+10*time.Second)
}

// TestFirstRaiseIsSoon: loss that misled the first search is made good within seconds.
func TestFirstRaiseIsSoon(t *testing.T) {
	t.Parallel()
	p := newPath(t, false, 1500, 1400)
	p.run(5 * time.Second)
	p.mtu = 1500
	p.settle(1500, 20*time.Second)
}

// TestOutage: a path that is dead for a while says nothing about sizes.
func TestOutage(t *testing.T) {
	t.Parallel()
	lengths := []time.Duration{time.Second, 3 * time.Second, 5 * time.Second, time.Minute}
	for _, after := range []time.Duration{
		0, 5 * time.Millisecond, 15 * time.Millisecond, 300 * time.Millisecond, time.Minute,
	} {
		for _, length := range lengths {
			p := newPath(t, false, 1500, 1500)
			p.busy = true
			p.run(after)
			p.mtu = 0
			p.run(length)
			p.mtu = 1500
			if took := p.settle(1500, 20*time.Second); took > 5*time.Second {
				t.Errorf("outage of %v after %v: full size again after %v", length, after, took)
			}
		}
	}
}

// TestDeadPathIsAskedRarely: nothing answers, so there is no hurry, but no end either.
func TestDeadPathIsAskedRarely(t *testing.T) {
	t.Parallel()
	p := newPath(t, false, 1500, 0)
	p.run(time.Minute)
	sent := len(p.probes)
	p.run(time.Hour)
	if n := len(p.probes) - sent; n != 1800 {
		t.Errorf("%d probes in an hour, want one every 2 s", n)
	}
	if p.s.Size() != 576 {
		t.Errorf("size %d on a dead path", p.s.Size())
	}
}

// TestLocalRefusal: the kernel knows of a smaller path, so nothing has to be waited for.
func TestLocalRefusal(t *testing.T) {
	t.Parallel()
	for _, link := range []int{600, 1280, 1300, 1400, 1492} {
		p := newPath(t, false, 1500, 9000)
		p.link = link
		p.run(4 * time.Second)
		if got := p.s.Size(); got > link || got <= link-16 {
			t.Errorf("found %d where the kernel refuses more than %d", got, link)
		}
	}
}

// TestRefusedData: a data packet is refused, so the size is left in the same instant.
func TestRefusedData(t *testing.T) {
	t.Parallel()
	p := newPath(t, false, 1500, 9000)
	p.run(time.Minute)
	p.link = 1400
	p.s.TooBig(p.now, 1500)
	if p.s.Size() > 1400 {
		t.Fatalf("size %d after a refusal of 1500", p.s.Size())
	}
	p.settle(1400, 5*time.Second)
	p.s.TooBig(p.now, 576)
	if p.s.Size() != 1400 {
		t.Errorf("size %d after a refusal of what every path takes", p.s.Size())
	}
	p.link = 1500 // the kernel forgets after ten minutes, and so do we
	p.settle(1500, 11*time.Minute)
}

// TestCeilingFallsDuringAProbe: what is lost then says nothing about the new link.
func TestCeilingFallsDuringAProbe(t *testing.T) {
	t.Parallel()
	p := newPath(t, false, 9000, 1500)
	p.run(100 * time.Millisecond) // the base was answered, the probe of 9000 bytes is out
	p.setCeiling(1500)
	p.settle(1500, time.Second)
}

func TestSetCeiling(t *testing.T) {
	t.Parallel()
	p := newPath(t, false, 1500, 9000)
	p.run(time.Minute)
	p.setCeiling(1400)
	if p.s.Size() != 1400 {
		t.Errorf("size %d under a ceiling of 1400", p.s.Size())
	}
	p.run(time.Minute)
	p.setCeiling(9000)
	p.settle(9000, time.Second)
	p.setCeiling(0)
	if p.s.Size() != 576 {
		t.Errorf("size %d under no ceiling", p.s.Size())
	}
	p.run(time.Minute)
	p.setCeiling(1500)
	p.settle(1500, time.Second)
}

func TestReset(t *testing.T) {
	t.Parallel()
	p := newPath(t, false, 1500, 1500)
	p.run(time.Minute)
	p.s.Traffic(p.now)
	_, number, ok := p.s.Next(p.now)
	if !ok {
		t.Fatal("no probe although there is traffic")
	}
	p.ceiling = 9000
	p.s.Reset(p.now, 9000)
	if p.s.Answered(p.now, number) || p.s.Size() != 576 {
		t.Errorf("an answer over the old path counts: size %d", p.s.Size())
	}
	p.mtu = 9000
	p.settle(9000, time.Second)
}

// TestLateAnswer: a path slower than our patience is as good as any.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	for _, trip := range []time.Duration{600 * time.Millisecond, 2 * time.Second, 5 * time.Second} {
		p := newPath(t, false, 1500, 1500)
		p.trip = trip
		p.settle(1500, 4*trip)
	}
}

// TestForeignAnswers do nothing, nor does a second answer.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	s := pmtu.New(false, 1500)
	_, number, _ := s.Next(0)
	for _, n := range []uint64{0, number + 1, number + 32, number + 64, 1 << 63} {
		if s.Answered(1, n) {
			t.Errorf("the answer to %d counts, where only %d was sent", n, number)
		}
	}
	if !s.Answered(2, number) || s.Answered(3, number) {
		t.Error("the answer does not count once")
	}
}
