package chunk

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSetModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var s set
		var model [128]bool
		for range r.IntN(40) {
			for i, n := r.IntN(128), r.IntN(20); n > 0 && i < 128; i, n = i+1, n-1 {
				s.add(i)
				model[i] = true
			}
		}
		if s.empty() == slices.Contains(model[:], true) {
			t.Fatalf("empty is %v", s.empty())
		}
		if got := runs(&s); got != model {
			t.Fatalf("the runs hold %v, want %v", got, model)
		}
		for i := range model {
			if s.has(i) != model[i] {
				t.Fatalf("has %d is %v", i, s.has(i))
			}
		}
	}
}

// runs gives what the runs of a set hold.
func runs(s *set) (in [128]bool) {
	for a, b := s.run(0); a < b; a, b = s.run(b) {
		for i := a; i < b; i++ {
			in[i] = true
		}
	}
	return in
}
