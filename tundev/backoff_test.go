package tundev

import (
	"testing"
	"time"
)

func TestBackoffDoublesToItsLimitAndForgets(t *testing.T) {
	var b backoff
	now := time.Unix(1000, 0)
	for _, ms := range []int{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		want := time.Duration(ms) * time.Millisecond
		if got := b.wait(now); got != want {
			t.Errorf("pause is %v, want %v", got, want)
		}
		now = now.Add(want)
		b.grow(now)
	}
	if got := b.wait(now.Add(backoffQuiet)); got != backoffMax {
		t.Errorf("pause is %v after a short quiet", got)
	}
	if got := b.wait(now.Add(backoffQuiet + 1)); got != backoffMin {
		t.Errorf("pause is %v after a long quiet", got)
	}
}
