package tundev

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNegotiateAsksForLess(t *testing.T) {
	const csum, tso4, uso4 = unix.TUN_F_CSUM, unix.TUN_F_TSO4, unix.TUN_F_USO4
	for _, c := range []struct {
		known int // what the kernel takes
		want  Offloads
	}{
		{0x7f, Offloads{Csum: true, TSO: true, USO: true}},
		{0x1f, Offloads{Csum: true, TSO: true}},
		{0x01, Offloads{Csum: true}},
	} {
		var last int
		got, err := negotiate(func(bits int) error {
			last = bits
			if bits&^c.known != 0 {
				return unix.EINVAL
			}
			return nil
		})
		if err != nil || got != c.want {
			t.Errorf("known %#x: %+v, %v", c.known, got, err)
		}
		took := Offloads{Csum: last&csum != 0, TSO: last&tso4 != 0, USO: last&uso4 != 0}
		if took != got {
			t.Errorf("the kernel was asked for %#x last, the device says %+v", last, got)
		}
	}
	_, err := negotiate(func(int) error { return unix.EINVAL })
	if !errors.Is(err, unix.EINVAL) {
		t.Errorf("nothing taken: %v", err)
	}
}
