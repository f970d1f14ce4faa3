package tundev

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func (t *tap) Run(ctx context.Context) error {
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		t.watch()
	}()
	defer func() {
		t.news.Close()
		<-watched
	}()

	k := keeper{tap: t, timer: time.NewTimer(0), waiting: true} // the first look
	defer k.timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.done:
			return nil
		case <-t.kick:
			k.look()
		case <-k.timer.C:
			k.repair()
		}
	}
}

// A keeper is what Run remembers between one event and the next.
type keeper struct {
	*tap
	timer   *time.Timer // of the next repair
	waiting bool        // the timer runs
	failed  bool        // the last repair did
	pause   backoff
}

// look tells at once that the device is down, and plans a repair.
func (k *keeper) look() {
	if reason := k.fault(); reason != "" {
		k.publish(false, reason)
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

// repair sets right what is wrong. What went wrong before the first look, or since the last, is told
// nevertheless: nobody learns from a state that never changed that frames were lost.
func (k *keeper) repair() {
	was, err := k.setRight()
	if was.fault != "" && k.State().Up {
		k.publish(false, was.fault)
	}
	k.waiting, k.failed = false, err != nil
	if was.changed || k.failed {
		k.pause.grow(time.Now())
	}
	if k.failed {
		k.publish(false, err.Error())
		k.plan()
		return
	}
	k.publish(true, "")
}

// watch pokes Run whenever something happens to the interface, its name or its bridge; it ends when
// the netlink socket is closed.
func (t *tap) watch() {
	for {
		msgs, _, err := t.news.Receive()
		if err != nil {
			if _, full := errors.AsType[syscall.Errno](err); !full {
				return // closed
			}
			t.hasten.Store(true) // whatever it was that did not fit the socket: look
			t.poke()
			t.tellNew()
		}
		for _, m := range msgs {
			t.heard(m)
		}
	}
}

func (t *tap) heard(m syscall.NetlinkMessage) {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		t.heardLink(m)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		if len(m.Data) >= unix.SizeofIfAddrmsg &&
			int64(nl.DeserializeIfAddrmsg(m.Data).Index) == t.index.Load() {
			if m.Header.Type == unix.RTM_DELADDR {
				t.poke()
			}
			t.tellNew()
		}
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		t.heardRoute(m)
	}
}

// heardRoute passes on what is about a route through the interface: a router has many others.
func (t *tap) heardRoute(m syscall.NetlinkMessage) {
	if len(m.Data) < unix.SizeofRtMsg {
		return
	}
	attrs, err := nl.ParseRouteAttr(m.Data[unix.SizeofRtMsg:])
	if err != nil {
		return
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.RTA_OIF && len(a.Value) == 4 &&
			int64(binary.NativeEndian.Uint32(a.Value)) == t.index.Load() {
			t.tellNew()
		}
	}
}

func (t *tap) heardLink(m syscall.NetlinkMessage) {
	if len(m.Data) < unix.SizeofIfInfomsg {
		return
	}
	info := nl.DeserializeIfInfomsg(m.Data)
	if int64(info.Index) == t.index.Load() {
		if info.Flags&unix.IFF_UP == 0 {
			t.fell.Store(true)
		}
		t.poke()
		t.tellNew() // IPv4 routes go without a word
		return
	}
	attrs, err := nl.ParseRouteAttr(m.Data[unix.SizeofIfInfomsg:])
	if err != nil {
		return
	}
	o := t.opt.Load()
	for _, a := range attrs {
		if a.Attr.Type != unix.IFLA_IFNAME {
			continue
		}
		name := unix.ByteSliceToString(a.Value)
		freed := name == o.Name && m.Header.Type == unix.RTM_DELLINK
		if freed || name == o.Bridge {
			t.hasten.Store(true)
			t.poke()
		}
	}
}

// fault says what keeps frames from passing, as the end of a sentence; "" when nothing does.
func (t *tap) fault() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ""
	}
	o := t.opt.Load()
	switch name := t.attachedTo(); name {
	case o.Name:
	case "":
		return faultRemoved
	default:
		return faultRenamed + name
	}
	link, err := t.port.find(o.Name)
	switch {
	case err != nil:
		return fmt.Sprintf("it cannot be looked at: %v", err)
	case link == nil:
		return "it is in another network namespace"
	case link.Attrs().Flags&net.FlagUp == 0:
		return faultDown
	case o.Bridge == "":
		return ""
	}
	index, err := t.port.bridge(o.Bridge)
	switch {
	case err != nil:
		return err.Error()
	case link.Attrs().MasterIndex != index:
		return faultBridge + o.Bridge
	}
	return ""
}

// setRight makes the interface again if it is gone, and everything else as the options say.
func (t *tap) setRight() (was finding, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return was, nil
	}
	o := *t.opt.Load()
	switch name := t.attachedTo(); {
	case name == "":
		was = finding{changed: true, fault: faultRemoved}
		err = t.reattach(t.attach)
	case name != o.Name:
		was = finding{changed: true, fault: faultRenamed + name}
		err = t.port.rename(name, o.Name)
	case t.queue.Load().broken.Load():
		err = t.reattach(t.replaceQueue)
	}
	if err != nil {
		return was, err
	}
	settled, err := t.settle(o)
	return finding{was.changed || settled.changed, cmp.Or(was.fault, settled.fault)}, err
}

// reattach hands f a second descriptor for the open file of the present queue. The file stays the
// same because it belongs to the network namespace that Open was called in, the descriptor changes
// so that whoever is at the old one leaves it.
func (t *tap) reattach(f func(fd int) error) error {
	var fd int
	var err error
	e := t.queue.Load().control(func(old int) {
		fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(e, err); err != nil {
		return &Error{t.opt.Load().create(), t.Name(), err}
	}
	return f(fd)
}

// publish is where the state changes, and the only place: Run calls it.
func (t *tap) publish(up bool, reason string) {
	old := t.state.Load()
	if old.Up == up && old.Reason == reason {
		return
	}
	s := State{Up: up, Reason: reason, Since: time.Now()}
	if old.Up == up {
		s.Since = old.Since
	}
	t.state.Store(&s)
	if up {
		t.log.Info("device is up again", "device", t.Name())
	} else {
		t.log.Warn("device is down", "device", t.Name(), "reason", reason)
	}
	if t.onChange != nil {
		t.onChange(s)
	}
}
