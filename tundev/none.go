package tundev

import (
	"context"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// none is the port of a node that has no network stack of its own in a segment: a relay or a hub. It
// gives no frames and swallows all.
type none struct {
	mac   ether.MAC
	since time.Time
	close sync.Once
	done  chan struct{}

	mu  sync.Mutex
	mtu int
}

// OpenNone gives a device that no interface of this machine stands behind: nothing comes from it, and
// what it is given is gone. Of o only MAC and MTU count.
func OpenNone(o Options) Device {
	return &none{mac: o.MAC, mtu: max(o.MTU, defaultMTU), since: time.Now(), done: make(chan struct{})}
}

// Name is empty: there is no interface.
func (d *none) Name() string   { return "" }
func (d *none) MAC() ether.MAC { return d.mac }

func (d *none) MTU() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mtu
}

func (d *none) Offloads() Offloads { return Offloads{Csum: true, TSO: true, USO: true} }

func (d *none) ReadFrame(_ []byte, wait bool) (int, offload.Header, error) {
	if wait {
		<-d.done
	}
	select {
	case <-d.done:
		return 0, offload.Header{}, ErrClosed
	default:
		return 0, offload.Header{}, ErrWouldBlock
	}
}

func (d *none) WriteFrame(offload.Header, [][]byte) error {
	select {
	case <-d.done:
		return ErrClosed
	default:
		return nil
	}
}

func (d *none) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-d.done:
	}
	return nil
}

// Reconfigure takes the MTU; there is nothing that could have addresses or be in a bridge.
func (d *none) Reconfigure(o Options) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mtu = max(o.MTU, defaultMTU)
	return nil
}

func (d *none) State() State { return State{Up: true, Since: d.since} }

func (d *none) Close() error {
	d.close.Do(func() { close(d.done) })
	return nil
}
