package pmtu

import "time"

// remembered is how many probes may still be answered: those of about ten seconds.
const remembered = 32

// A probe is one that was sent.
type probe struct {
	number uint64 // 0 when it was answered, or is not to count any more
	size   int
	at     time.Duration
}

// A history is the probes sent last. Numbers count from 1 and are never used twice.
type history struct {
	number uint64 // of the last probe
	probes [remembered]probe
}

func (h *history) at(number uint64) *probe { return &h.probes[number%remembered] }

// add notes a probe and gives it its number.
func (h *history) add(now time.Duration, size int) uint64 {
	h.number++
	*h.at(h.number) = probe{h.number, size, now}
	return h.number
}

// last is the latest probe.
func (h *history) last() probe { return *h.at(h.number) }

// take finds a probe that has not been answered before.
func (h *history) take(number uint64) (probe, bool) {
	p := h.at(number)
	if number == 0 || p.number != number {
		return probe{}, false
	}
	found := *p
	p.number = 0
	return found, true
}

// forget makes answers to all probes so far count for nothing. When they were sent still does.
func (h *history) forget() {
	for i := range h.probes {
		h.probes[i].number = 0
	}
}

// next is when another probe may go out, so that no more than perSecond do in any second.
func (h *history) next() time.Duration {
	if h.number < perSecond {
		return 0
	}
	return h.at(h.number-perSecond+1).at + time.Second
}
