package tundev

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// A patient is a device that a [keeper] looks after.
type patient interface {
	Name() string
	// fault says what keeps frames from passing, as the end of a sentence; "" when nothing does.
	fault() string
	// setRight makes the interface again if it is gone, and everything else as the options say.
	setRight() (was finding, err error)
}

// A finding is what was not as it should be.
type finding struct {
	changed bool   // something was, and no more
	fault   string // what kept frames from passing, as the end of a sentence
}

const (
	faultRemoved = "it was removed"
	faultRenamed = "it was renamed to " // and the name
	faultDown    = "it was set down"
	faultBridge  = "it was taken out of bridge " // and the bridge
)

// A keeper keeps a device alive: poked by whoever heard that something happened, it looks, tells,
// and has the device repaired, with a pause. It also keeps the device's state.
type keeper struct {
	log      *slog.Logger
	onChange func(State)
	done     chan struct{} // closed by the device's Close
	kick     chan struct{} // asks to look at the interface; holds one

	state  atomic.Pointer[State] // changed by keep
	hasten atomic.Bool           // what a repair was waiting for may have happened

	// What keep remembers between one event and the next.
	timer   *time.Timer // of the next repair
	waiting bool        // the timer runs
	failed  bool        // the last repair did
	pause   backoff
}

// init makes the keeper of a device that is up.
func (k *keeper) init(o Options) {
	k.log, k.onChange = o.Log, o.OnChange
	k.done, k.kick = make(chan struct{}), make(chan struct{}, 1)
	k.state.Store(&State{Up: true, Since: time.Now()})
}

// State implements [Device].
func (k *keeper) State() State { return *k.state.Load() }

// poke makes keep look at the interface soon.
func (k *keeper) poke() {
	select {
	case k.kick <- struct{}{}:
	default: // it will anyway
	}
}

// closed reports whether the device is.
func (k *keeper) closed() bool {
	select {
	case <-k.done:
		return true
	default:
		return false
	}
}

// keep looks after p until ctx ends or the device is closed. What happened before, its first look
// finds.
func (k *keeper) keep(ctx context.Context, p patient) {
	k.timer, k.waiting = time.NewTimer(0), true // the first look
	defer k.timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.done:
			return
		case <-k.kick:
			k.look(p)
		case <-k.timer.C:
			k.repair(p)
		}
	}
}

// look tells at once that the device is down, and plans a repair.
func (k *keeper) look(p patient) {
	if reason := p.fault(); reason != "" {
		k.publish(p, false, reason)
	}
	if k.hasten.Swap(false) && k.failed {
		k.pause = backoff{}
	} else if k.waiting {
		return
	}
	k.plan()
}

func (k *keeper) plan() {
	k.timer.Reset(k.pause.wait(time.Now()))
	k.waiting = true
}

// repair sets right what is wrong. What went wrong before the first look, or since the last, is
// told nevertheless: nobody learns from a state that never changed that frames were lost.
func (k *keeper) repair(p patient) {
	was, err := p.setRight()
	if was.fault != "" && k.State().Up {
		k.publish(p, false, was.fault)
	}
	k.waiting, k.failed = false, err != nil
	if was.changed || k.failed {
		k.pause.grow(time.Now())
	}
	if k.failed {
		k.publish(p, false, err.Error())
		k.plan()
		return
	}
	k.publish(p, true, "")
}

// publish is where the state changes, and the only place: keep's goroutine calls it.
func (k *keeper) publish(p patient, up bool, reason string) {
	old := k.state.Load()
	if old.Up == up && old.Reason == reason {
		return
	}
	s := State{Up: up, Reason: reason, Since: time.Now()}
	if old.Up == up {
		s.Since = old.Since
	}
	k.state.Store(&s)
	if up {
		k.log.Info("device is up again", "device", p.Name())
	} else {
		k.log.Warn("device is down", "device", p.Name(), "reason", reason)
	}
	if k.onChange != nil {
		k.onChange(s)
	}
}
