//go:build linux && lab

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// beatEvery is from one datagram of a beat to the next.
const beatEvery = 10 * time.Millisecond

// A beat is a datagram from one host to another again and again, by which a break shows: when it
// began, and how long it took.
type beat struct {
	t    testing.TB
	name string

	mu      sync.Mutex
	arrived []arrived
}

// An arrived is when a datagram was sent and when it came.
type arrived struct{ sent, came time.Time }

// beat sends from a host to an address of another until the case ends. Both sockets outlive the
// devices that carry them.
func (h *host) beat(to *host, addr string) *beat {
	h.t.Helper()
	b := &beat{t: h.t, name: h.Name() + " -> " + to.Name()}
	var in, out *net.UDPConn
	need(h.t, to.Do(func() (err error) {
		in, err = net.ListenUDP("udp", &net.UDPAddr{})
		return err
	}))
	need(h.t, h.Do(func() (err error) {
		out, err = net.ListenUDP("udp", &net.UDPAddr{})
		return err
	}))
	dst := &net.UDPAddr{IP: net.ParseIP(addr), Port: in.LocalAddr().(*net.UDPAddr).Port}
	var running sync.WaitGroup
	running.Go(func() { b.send(out, dst) })
	running.Go(func() { b.receive(in) })
	h.t.Cleanup(func() {
		out.Close()
		in.Close()
		running.Wait()
	})
	return b
}

// send ends when the socket is closed; that there is no way at the moment is nothing.
func (b *beat) send(out *net.UDPConn, dst *net.UDPAddr) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for now := range tick.C {
		message := binary.BigEndian.AppendUint64(nil, uint64(now.UnixNano()))
		if _, err := out.WriteToUDP(message, dst); errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (b *beat) receive(in *net.UDPConn) {
	message := make([]byte, 64)
	for {
		n, err := in.Read(message)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n != 8 {
			continue
		}
		sent := time.Unix(0, int64(binary.BigEndian.Uint64(message)))
		b.mu.Lock()
		b.arrived = append(b.arrived, arrived{sent, time.Now()})
		b.mu.Unlock()
	}
}

// after is when the first of those that were sent after a time came.
func (b *beat) after(start time.Time) (came time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.arrived {
		if a.sent.After(start) {
			return a.came, true
		}
	}
	return time.Time{}, false
}

// steady waits until the beat is there.
func (b *beat) steady() {
	b.t.Helper()
	b.within(time.Now(), patience)
}

// within wants the beat to be back at most so long after a time.
func (b *beat) within(start time.Time, limit time.Duration) {
	b.t.Helper()
	var came time.Time
	eventually(b.t, func() (err error) {
		var ok bool
		if came, ok = b.after(start); !ok {
			return fmt.Errorf("%s: nothing has come for %v", b.name, time.Since(start))
		}
		return nil
	})
	took := came.Sub(start)
	b.t.Logf("%s: back after %v", b.name, took.Round(time.Millisecond))
	if took > limit {
		b.t.Errorf("%s: back after %v, want it within %v", b.name, took, limit)
	}
}
