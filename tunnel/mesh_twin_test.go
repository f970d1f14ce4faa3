package tunnel_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// warning is the member's warning of a code, "" without one.
func (m *member) warning(code string) string {
	for _, w := range m.Status().Warnings {
		if w.Code == code {
			return w.Message
		}
	}
	return ""
}

// duplicate is the code of the warning about a copied identity.
const duplicate = "duplicate_identity"

// TestCopiedIdentity has a third node run with the key of the second, as when its disk was copied:
// everybody is told, with both addresses.
func TestCopiedIdentity(t *testing.T) {
	for name, epoch := range map[string]uint32{"the copy is older": 1, "the copy is newer": 9} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 16, func(w *world) {
				a, b := w.pair()
				twin := w.add()
				twin.knows(a)
				twin.options.Mesh.Key, twin.options.Mesh.Epoch = b.options.Mesh.Key, epoch
				b.options.Mesh.Epoch = 5
				start(a, b)
				w.talk(a, b, 3*time.Second)
				w.twins(a, b, twin)
			})
		})
	}
}

// twins starts b's twin and wants a and both to warn of it, for as long as it is true.
func (w *world) twins(a, b, twin *member) {
	w.t.Helper()
	events, stop := a.follow()
	defer stop()
	twin.start()
	warned := func(members ...*member) func() bool {
		return func() bool {
			b.say(a, "b here")
			twin.say(a, "twin here")
			return !slices.ContainsFunc(members, func(m *member) bool { return m.warning(duplicate) == "" })
		}
	}
	w.t.Logf("noticed after %v", w.within(time.Minute, "the peer notices", warned(a)))
	w.within(time.Minute, "the twins are told", warned(b, twin))
	for _, m := range []*member{b, twin} {
		if !strings.Contains(a.warning(duplicate), m.addr.String()) {
			w.t.Errorf("%q does not name %s", a.warning(duplicate), m.addr)
		}
	}
	if !events(control.EventWarning) {
		w.t.Error("no event tells of it")
	}
	twin.stop()
	a.bodies()
	b.bodies()
	w.talk(a, b, 5*time.Second)
	w.pass(11 * time.Minute)
	if got := a.warning(duplicate); got != "" {
		w.t.Errorf("long after, still %q", got)
	}
}

// TestRestoredIdentity has a node come back with an older epoch once, which is no conflict.
func TestRestoredIdentity(t *testing.T) {
	simulate(t, 17, func(w *world) {
		a, b := w.pair()
		b.options.Mesh.Epoch = 50
		start(a, b)
		w.talk(a, b, 3*time.Second)
		b.kill()
		b.options.Mesh.Epoch = 3
		b.restart()
		w.talk(a, b, 3*time.Second)
		w.pass(10 * time.Minute)
		w.talk(a, b, time.Second)
		if got := a.warning(duplicate); got != "" {
			t.Error(got)
		}
	})
}
