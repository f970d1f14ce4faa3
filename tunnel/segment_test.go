package tunnel_test

import "testing"

// TestLinkOfAHeldSegment hangs when the name of a segment's interface takes the segment's lock: the mesh asks
// for it, and who regroups the segment waits for the mesh.
func TestLinkOfAHeldSegment(t *testing.T) {
	simulate(t, 1, func(w *world) {
		a := w.add()
		start(a)
		if got := a.LinkOfHeld(7); got != "none1" {
			t.Errorf("the interface is %q", got)
		}
	})
}
