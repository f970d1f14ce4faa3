package netmon

import (
	"context"
	"net"
	"testing"

	"go.uber.org/goleak"
)

// TestSnapshot compares with what Go's own package says of this machine.
func TestSnapshot(t *testing.T) {
	s, err := Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range all {
		got, ok := s.Interface(want.Index)
		if !ok || got.Name != want.Name || got.MTU != want.MTU ||
			got.Up != (want.Flags&net.FlagUp != 0 && want.Flags&net.FlagRunning != 0) ||
			got.Loopback != (want.Flags&net.FlagLoopback != 0) ||
			got.Multicast != (want.Flags&net.FlagMulticast != 0) {
			t.Errorf("%+v is read as %+v", want, got)
		}
	}
	if _, ok := s.Interface(1 << 30); ok {
		t.Error("an interface that there is not was found")
	}
}

// TestRunEnds watches this machine, and leaves nothing behind.
func TestRunEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	m := New(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	m.Subscribe(func(e Event) {
		if e.Kinds&First != 0 {
			cancel()
		}
	})
	for range 2 {
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	}
	if m.State().Interfaces == nil {
		t.Error("no interfaces")
	}
}
