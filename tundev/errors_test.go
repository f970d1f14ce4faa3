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
		hints := hintsOn("linux", err)
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

// TestHintsOfSystems: each system has advice of its own for each kind of error, and no other's.
func TestHintsOfSystems(t *testing.T) {
	foreign := map[string]string{
		"linux": "ifconfig netsh kldload", "freebsd": "modprobe netsh setcap doas",
		"openbsd": "sudo netsh setcap kldload", "darwin": "modprobe netsh setcap doas kldload",
		"windows": "sudo ifconfig setcap doas",
	}
	for system, words := range foreign {
		for _, kind := range []error{ErrPermission, ErrInUse, ErrNoBridge, ErrNoTun} {
			lines := hintsOn(system, &Error{"create tap device", "vxm7", kind})
			if system == "windows" && kind == ErrNoBridge { // there are none
				continue
			}
			text := strings.Join(lines, "\n")
			if len(lines) == 0 || len(lines) > 3 || strings.Contains(text, "{") {
				t.Errorf("%s: %v has hints %q", system, kind, lines)
			}
			for _, word := range strings.Fields(words) {
				if strings.Contains(text, word) {
					t.Errorf("%s: %v is advised %q", system, kind, lines)
				}
			}
		}
	}
	if h := hintsOn("plan9", &Error{"create tap device", "vxm7", ErrPermission}); len(h) > 0 {
		t.Errorf("plan9 has hints %q", h)
	}
}
