package tunnel

import (
	"runtime"
	"testing"
	"time"
)

// A watched is a node without a network whose loops are looked at every vitalsEvery.
type watched struct {
	*Node
	time time.Duration
	told int
}

func newWatched() *watched {
	w := &watched{Node: &Node{mesh: &mesh{woken: make(chan struct{}, 1)}}}
	w.options.Now = func() time.Duration { return w.time }
	w.options.Alive = func() { w.told++ }
	w.vitals.n = w.Node
	return w
}

// alive has the time pass until the keeper looks again, and gives whether it found everything alive.
func (w *watched) alive() bool {
	before := w.told
	w.vitals.check()
	w.time += vitalsEvery
	return w.told > before
}

func TestAliveWhileTheMeshTurns(t *testing.T) {
	w := newWatched()
	if !w.alive() {
		t.Error("at the start")
	}
	w.mesh.turns.Add(1)
	if !w.alive() {
		t.Error("it has turned")
	}
	w.time -= time.Second
	w.mesh.turns.Add(1)
	if w.alive() {
		t.Error("too soon")
	}
	w.time += time.Second
	if !w.alive() || w.alive() {
		t.Error("it turned once, and not again")
	}
}

func TestAliveWhileSourcesGoOn(t *testing.T) {
	w, p := newWatched(), new(pulse)
	forget := w.vitals.watch(p)
	for _, c := range []struct {
		what string
		does func()
		want bool
	}{
		{"waits", func() {}, true},
		{"waits on", func() {}, true},
		{"begins", p.begin, true},
		{"is stuck", func() {}, false},
		{"goes on", func() { p.end(); p.begin() }, true},
		{"is stuck again", func() {}, false},
		{"waits again", p.end, true},
		{"is stuck for good", p.begin, true},
		{"is stuck for good", func() {}, false},
		{"has ended", forget, true},
	} {
		w.mesh.turns.Add(1)
		if c.does(); w.alive() != c.want {
			t.Errorf("a source %s: alive is %v", c.what, !c.want)
		}
	}
}

// The event loop is woken to be looked at, for it may have nothing to do for days.
func TestAliveWhileTheEventLoopTurns(t *testing.T) {
	w := newWatched()
	l, ended := startLoop()
	d, _ := newDrip(t)
	w.loop = l
	l.serve(d)
	for range 3 {
		before := l.turned()
		w.mesh.turns.Add(1)
		if !w.alive() {
			t.Error("it turns when it is woken")
		}
		for l.turned() == before {
			runtime.Gosched()
		}
	}
	l.close()
	_ = d.d.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.loop = &eventLoop{started: true} // nobody runs it
	w.loop.bell = l.bell
	w.mesh.turns.Add(1)
	w.alive()
	w.mesh.turns.Add(1)
	if w.alive() {
		t.Error("it does not turn")
	}
}
