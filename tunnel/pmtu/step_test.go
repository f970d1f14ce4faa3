package pmtu_test

import (
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/pmtu"
)

// TestRefusedProbe: the next probe goes out in the same instant, and it is smaller.
func TestRefusedProbe(t *testing.T) {
	t.Parallel()
	s := pmtu.New(true, 1500)
	_, number, _ := s.Next(0)
	s.Answered(1, number)
	first, _, ok := s.Next(1)
	if first != 1500 || !ok {
		t.Fatalf("the probe after the base is %d, %t", first, ok)
	}
	s.TooBig(1, 1500)
	second, _, ok := s.Next(1)
	if second >= first || second <= 1280 || !ok {
		t.Errorf("the probe after a refusal is %d, %t", second, ok)
	}
	s.TooBig(1, 9000) // says nothing new, so the probe that is out is still waited for
	if size, _, ok := s.Next(1); ok {
		t.Errorf("a probe of %d beside the one that is out", size)
	}
}

// TestAnswersBeyondWhatIsAllowed: an answer that comes after the link has shrunk, or after the
// local system has refused the size, does not bring the size back.
func TestAnswersBeyondWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for name, shrink := range map[string]func(s *pmtu.Search){
		"ceiling": func(s *pmtu.Search) { s.SetCeiling(2, 1499) },
		"refused": func(s *pmtu.Search) { s.TooBig(2, 1500) },
		"less":    func(s *pmtu.Search) { s.TooBig(2, 1400) },
	} {
		s := pmtu.New(true, 1500)
		_, number, _ := s.Next(0)
		s.Answered(1, number)
		_, number, _ = s.Next(1)
		shrink(s)
		if s.Answered(3, number) || s.Size() != 1280 {
			t.Errorf("%s: size %d after the answer to 1500 bytes", name, s.Size())
		}
	}
}

// TestCeilingGrows long after the search has settled below the old one.
func TestCeilingGrows(t *testing.T) {
	t.Parallel()
	p := newPath(t, false, 1500, 1400)
	p.run(time.Hour)
	p.mtu = 9000
	p.setCeiling(9000)
	p.settle(9000, time.Second)
}

// TestPatience: on a slower path the next probe waits longer.
func TestPatience(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ trip, want time.Duration }{
		{10 * time.Millisecond, 250 * time.Millisecond},
		{120 * time.Millisecond, 360 * time.Millisecond},
		{400 * time.Millisecond, 500 * time.Millisecond},
	} {
		s := pmtu.New(true, 1500)
		_, number, _ := s.Next(0)
		if first := s.Deadline(); first != 500*time.Millisecond {
			t.Errorf("the first answer is waited for until %v", first)
		}
		s.Answered(c.trip, number)
		if _, _, ok := s.Next(c.trip); !ok {
			t.Fatal("no probe after the first answer")
		}
		if got := s.Deadline() - c.trip; got != c.want {
			t.Errorf("round trip %v: an answer is waited for %v, want %v", c.trip, got, c.want)
		}
	}
}

// TestMisses counts what it takes to leave a size: enough that loss alone hardly ever does it.
func TestMisses(t *testing.T) {
	t.Parallel()
	p := newPath(t, true, 1500, 1500)
	p.run(time.Minute)
	p.mtu = 1400
	sent := len(p.sizes)
	p.s.Traffic(p.now)
	p.settle(1280, 5*time.Second)
	for i, size := range p.sizes[sent:] {
		if last := i == len(p.sizes)-sent-1; last && i != 8 || (size == 1500) == last {
			t.Errorf("probes %v, want eight of 1500 bytes and one of 1280", p.sizes[sent:])
		}
	}
}

// TestSmallPathIsFoundSoon: over IPv4 the floor is used until the base is answered, and what lies
// between them is searched only when the floor was answered and the base was not.
func TestSmallPathIsFoundSoon(t *testing.T) {
	t.Parallel()
	p := newPath(t, false, 1500, 1006)
	p.settle(1006, 4*time.Second)
	for i, want := range []int{1280, 576, 1280, 1280, 1280} {
		if p.sizes[i] != want {
			t.Fatalf("probes %v, want 1280, 576 and three of 1280 first", p.sizes)
		}
	}
}

// TestRestartForgets: after a black hole the sizes that were lost before may pass.
func TestRestartForgets(t *testing.T) {
	t.Parallel()
	p := newPath(t, true, 1500, 1400)
	p.busy = true
	p.run(time.Minute)
	p.mtu = 0
	p.run(10 * time.Second)
	p.mtu = 1500
	p.settle(1500, 3*time.Second)
}

// TestRefusalIsRemembered: no probe is larger than what the local system has refused, whatever was
// lost before.
func TestRefusalIsRemembered(t *testing.T) {
	t.Parallel()
	p := newPath(t, true, 9000, 1500)
	p.run(2 * time.Second) // several sizes above 1500 are lost by now
	p.s.TooBig(p.now, 1421)
	sent := len(p.sizes)
	p.settle(1420, 4*time.Second)
	for _, size := range p.sizes[sent:] {
		if size > 1420 {
			t.Fatalf("probes %v after a refusal of 1421", p.sizes[sent:])
		}
	}
}
