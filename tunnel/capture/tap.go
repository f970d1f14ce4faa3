// Package capture shows live traffic to people, as pcapng that Wireshark and tshark open.
//
// The engine hands packets to a [Tap]; whoever wants to see them attaches a [Listener] and runs
// it with a writer. The file has three interfaces: "inner" (Ethernet frames as the device sees
// them), "outer" (datagrams) and "dropped" (frames that went no further). Each packet carries its
// direction and a comment with the VNI, the port, the decision and the reason of a drop.
//
// A [Recorder] needs nobody to listen: it keeps the headers of the last packets, always.
//
// A tap may be used by any number of goroutines at once. It costs one atomic load when nobody
// listens, and a copy per listener when somebody does; it never waits for a listener. Use
// counters, not a tap, to find out how much there is of something.
package capture

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// A Point is where a packet was taken.
type Point uint8

// The points, each an interface of a file that has none of its own.
const (
	Inner   Point = iota // an Ethernet frame that was forwarded
	Outer                // a datagram, also one that was dropped before it gave a frame
	Dropped              // an Ethernet frame that went no further
)

// String is the name of the interface.
func (p Point) String() string {
	switch p {
	case Inner:
		return "inner"
	case Outer:
		return "outer"
	case Dropped:
		return "dropped"
	}
	return "invalid"
}

// A Packet is one thing to show. Its zero fields are left out of the comment.
type Packet struct {
	Point Point
	In    bool // received: inner, from a port into the segment; outer, from the network
	Time  time.Time
	Data  []byte // an Ethernet frame or, for Outer, a UDP payload; borrowed until Put returns

	// Length is that of the whole packet where Data is only its beginning; 0: it is all of it. Count is
	// how many datagrams of that length were one message, where they are not shown one by one.
	Length, Count int

	// Outer addresses: Wireshark is shown an IP and a UDP header made from them. The addresses
	// and ports are those on the wire; TTL, TOS and checksums are not.
	Src, Dst netip.AddrPort

	VNI      uint32
	Port     string      // the name of the port it came from or goes to, at most 255 bytes
	Decision string      // what the switch said, at most 255 bytes
	Drop     drop.Reason // why it went no further

	Interface int    // of the file, for listeners that have their own
	Note      string // for people, at most 255 bytes
}

// An Interface is one of a file: packets of one point, taken in one place.
type Interface struct {
	Name  string
	Point Point
}

// pointFaces are one for each point, in their order.
var pointFaces = []Interface{{Inner.String(), Inner}, {Outer.String(), Outer}, {Dropped.String(), Dropped}}

// length is that of the whole packet.
func (p *Packet) length() int { return max(p.Length, len(p.Data)) }

// A Tap is where the engine hands packets over. The zero value is ready, a nil one is never on;
// it must not be copied.
type Tap struct {
	listeners atomic.Pointer[[]*Listener] // immutable; nil when there is none

	mu sync.Mutex // held to replace listeners
}

// On reports whether anybody listens. Asking first saves building a packet nobody wants.
func (t *Tap) On() bool { return t != nil && t.listeners.Load() != nil }

// Put shows p to all listeners. It copies what it keeps, does not allocate and does not wait; a
// listener that has no room loses the packet and the file says so.
func (t *Tap) Put(p *Packet) {
	if t == nil {
		return
	}
	list := t.listeners.Load()
	if list == nil {
		return
	}
	for _, l := range *list {
		l.put(p)
	}
}

// Options narrow what a [Listener] collects; the zero value takes everything whole.
type Options struct {
	SnapLen int    // bytes kept of each packet; 0 = all
	VNI     uint32 // packets of this segment only; 0 = of every one, and those of none

	// Interfaces are those of the file, to which packets say their own; nil has one for each point.
	Interfaces []Interface
}

// Attach begins to collect packets. The caller has to call [Listener.Run], which detaches in the
// end.
func (t *Tap) Attach(o Options) *Listener {
	l := newListener(t, o)
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*Listener
	if old := t.listeners.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = append(list, l)
	t.listeners.Store(&list)
	return l
}

func (t *Tap) detach(l *Listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.listeners.Load()
	if old == nil {
		return
	}
	list := slices.DeleteFunc(slices.Clone(*old), func(o *Listener) bool { return o == l })
	if len(list) == 0 {
		t.listeners.Store(nil)
		return
	}
	t.listeners.Store(&list)
}
