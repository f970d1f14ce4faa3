package tundev

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"syscall"

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

	t.keep(ctx, t)
	return nil
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
		isNew := info.Change == math.MaxUint32 // of which the kernel says that everything changed
		if info.Flags&unix.IFF_UP == 0 && info.Change&unix.IFF_UP != 0 && !isNew {
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
	if t.closed() {
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
	if t.closed() {
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
