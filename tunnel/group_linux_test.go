package tunnel

import (
	"context"
	"testing"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
)

// A panicDevice panics when it is read.
type panicDevice struct{ *tundevtest.Device }

func (panicDevice) ReadFrame([]byte, bool) (int, offload.Header, error) { panic("read") }

// TestGuard: it sees the panic of a loop that Run started.
func TestGuard(t *testing.T) {
	seen := make(chan any, 1)
	n, err := New(Options{
		Guard: func() {
			if v := recover(); v != nil {
				seen <- v
			}
		},
		OpenDevice: func(o tundev.Options) (tundev.Device, error) {
			return panicDevice{tundevtest.NewWith(o, tundev.Offloads{})}, nil
		},
		Segments: []SegmentOptions{{VNI: 7, Device: DeviceOptions{Name: "none7", MTU: 1450}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	if v := <-seen; v != "read" {
		t.Errorf("the guard saw %v", v)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
