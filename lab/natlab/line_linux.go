package natlab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// A line is a cable that takes its time:
//
//	a [devA] ----- [near] carrier of frames [far] ----- [devB] b
//
// The frames are carried by this process, since not every kernel has a delay of its own: it is for
// thousands of frames per second, not for measuring throughput.
type line struct{ delay, jitter atomic.Int64 }

// lineLimit bounds the frames under way in one direction; further ones are lost.
const lineLimit = 4096

func (l *line) set(delay, jitter time.Duration) {
	l.delay.Store(int64(delay))
	l.jitter.Store(int64(jitter))
}

// change is [line.set] for a cable that may be a plain one.
func (l *line) change(t testing.TB, delay, jitter time.Duration) {
	t.Helper()
	if l == nil {
		t.Fatal("natlab: only what is distant has a delay")
	}
	l.set(delay, jitter)
}

// join lays the cable.
func (l *line) join(t testing.TB, a *netns.NS, devA string, b *netns.NS, devB string) {
	t.Helper()
	carrier := newNS(t, "line of "+a.Name(), false)
	sysctl(t, carrier, "net.ipv6.conf.default.disable_ipv6", "1")
	veth(t, a, devA, carrier, "near")
	veth(t, b, devB, carrier, "far")
	plain(t, a, devA)
	plain(t, b, devB)
	l.carry(t, carrier, "near", "far")
	l.carry(t, carrier, "far", "near")
}

// plain makes a device finish frames itself, checksums and all: they leave the kernel here.
func plain(t testing.TB, ns *netns.NS, device string) {
	t.Helper()
	if _, err := ns.Run(fmt.Sprintf("ethtool -K %s tx off tso off gso off gro off", device)); err != nil {
		t.Fatal(err)
	}
}

// carry takes what comes in at one device out at the other, in order, until the test ends.
func (l *line) carry(t testing.TB, ns *netns.NS, from, to string) {
	t.Helper()
	type frame struct {
		due  time.Time
		data []byte
	}
	queue, done := make(chan frame, lineLimit), make(chan struct{})
	sender, err := ns.Sender(to)
	if err != nil {
		t.Fatal(err)
	}
	sniffer, err := ns.Sniff(from, func(p netns.Packet) bool {
		if p.Out {
			return false
		}
		select {
		case queue <- frame{time.Now().Add(l.time()), bytes.Clone(p.Data)}:
		default:
		}
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		for f := range queue {
			time.Sleep(time.Until(f.due))
			_ = sender.Send(f.data) // a device that is down loses frames, as it would anywhere
		}
	}()
	t.Cleanup(func() {
		sniffer.Close()
		close(queue)
		<-done
		sender.Close()
	})
}

// time is how long one frame takes.
func (l *line) time() time.Duration {
	d := time.Duration(l.delay.Load())
	if j := l.jitter.Load(); j > 0 {
		d += time.Duration(rand.Int64N(j))
	}
	return d
}
