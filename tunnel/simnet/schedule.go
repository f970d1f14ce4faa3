package simnet

import (
	"container/heap"
	"sync"
	"time"
)

// A schedule is packets on their way. One timer serves them all, so that packets that are due at
// the same time arrive in the order in which they were sent. The Internet's lock guards it.
type schedule struct {
	deliver func(packet)
	due     flights
	sent    uint64
	timer   *time.Timer
	stopped bool
}

// A flight is a packet and when it arrives.
type flight struct {
	packet
	at    time.Time
	order uint64
}

// add has a packet arrive after a time. mu is the lock that guards the schedule.
func (s *schedule) add(p packet, after time.Duration, mu *sync.Mutex) {
	if s.stopped {
		return
	}
	s.sent++
	heap.Push(&s.due, flight{p, time.Now().Add(after), s.sent})
	s.wind(mu)
}

// wind sets the timer for the next arrival.
func (s *schedule) wind(mu *sync.Mutex) {
	if s.timer != nil {
		s.timer.Stop()
	}
	if len(s.due) == 0 {
		return
	}
	s.timer = time.AfterFunc(time.Until(s.due[0].at), func() {
		mu.Lock()
		defer mu.Unlock()
		for now := time.Now(); len(s.due) > 0 && !s.due[0].at.After(now); {
			s.deliver(heap.Pop(&s.due).(flight).packet)
		}
		s.wind(mu)
	})
}

// stop loses what is on its way, and all that comes.
func (s *schedule) stop() {
	s.stopped, s.due = true, nil
	if s.timer != nil {
		s.timer.Stop()
	}
}

// flights are a heap, the next arrival first.
type flights []flight

func (f flights) Len() int { return len(f) }

func (f flights) Less(i, j int) bool {
	if f[i].at.Equal(f[j].at) {
		return f[i].order < f[j].order
	}
	return f[i].at.Before(f[j].at)
}

func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }

func (f *flights) Push(x any) { *f = append(*f, x.(flight)) }

func (f *flights) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	(*f)[last] = flight{}
	*f = (*f)[:last]
	return x
}
