package tundev

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestErrorIsASentenceOfItsKind(t *testing.T) {
	for _, c := range []struct {
		err        error
		kind       error
		text, hint string
	}{
		{
			ErrPermission, ErrPermission,
			"operation not permitted", "ip tuntap add vxm0 mode tap",
		},
		{
			causef(ErrInUse, "%s has this name", "a veth interface"), ErrInUse,
			"a veth interface has this name", "ip -d link show vxm0",
		},
		{ErrNoBridge, ErrNoBridge, "there is no such bridge", "ip link add vxm0 type bridge"},
		{
			ErrNoTun, ErrNoTun,
			"/dev/net/tun is missing: load the driver with modprobe tun", "sudo modprobe tun",
		},
	} {
		err := fmt.Errorf("start: %w", &Error{"create tap device", "vxm0", c.err})
		if !errors.Is(err, c.kind) {
			t.Errorf("%v is not %v", err, c.kind)
		}
		if want := "start: cannot create tap device vxm0: " + c.text; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
		hints := Hints(err)
		if len(hints) > 3 || !strings.Contains(strings.Join(hints, "\n"), c.hint) {
			t.Errorf("%v has hints %q", err, hints)
		}
	}
}

func TestNoHints(t *testing.T) {
	for _, err := range []error{nil, ErrPermission, &Error{"open", "vxm0", errors.New("no memory")}} {
		if h := Hints(err); h != nil {
			t.Errorf("%v has hints %q", err, h)
		}
	}
}
