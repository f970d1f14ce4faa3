package tunnel

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBootClock has the machine sleep, and people set the time of day.
func TestBootClock(t *testing.T) {
	slept, reads := 7*time.Hour, 0
	c := bootClock{read: func() time.Duration {
		reads++
		return time.Since(processStart) + slept
	}}
	const hour = int64(time.Hour)
	for _, step := range []struct {
		name  string
		do    func()
		wall  int64 // of monotonic time 0
		reads int
	}{
		{"first look", func() {}, hour, 1},
		{"nothing happened", func() {}, hour, 0},
		{"clocks are not read at once", func() {}, hour + int64(clockJitter), 0},
		{"the machine slept", func() { slept += time.Second }, hour + int64(time.Second), 1},
		{"the time of day is set", func() {}, 0, 1},
	} {
		step.do()
		for mono := range 3 {
			mono := time.Duration(mono) * time.Minute
			got, want := c.at(mono, step.wall+int64(mono)), mono+slept
			if d := (got - want).Abs(); d > time.Second/2 {
				t.Errorf("%s: the clock is wrong by %v", step.name, d)
			}
		}
		if (reads > 0) != (step.reads > 0) {
			t.Errorf("%s: the system was asked %d times, want %d or a few more", step.name, reads, step.reads)
		}
		reads = 0
	}
}

// TestIsMonotonic: what [time.Now] gives in 2158 is a time of day and nothing else.
func TestIsMonotonic(t *testing.T) {
	if !isMonotonic(time.Now()) || isMonotonic(time.Date(2158, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Error("a reading of the monotonic clock is not told from none")
	}
}

// TestBootTime compares with the system's clock.
func TestBootTime(t *testing.T) {
	for range 100 {
		var before, after unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &before); err != nil {
			t.Fatal(err)
		}
		got := bootTime()
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &after); err != nil {
			t.Fatal(err)
		}
		if low, high := time.Duration(before.Nano()), time.Duration(after.Nano()); got < low-2*clockJitter || got > high+2*clockJitter {
			t.Fatalf("%v is not between %v and %v", got, low, high)
		}
	}
	if n := testing.AllocsPerRun(100, func() { bootTime() }); n > 0.5 {
		t.Errorf("%v allocations", n)
	}
}
