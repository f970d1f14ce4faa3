//go:build linux && lab

// The terminal UI on a real terminal, tmux's, beside running nodes.
//
//	A [u0] 192.0.2.1 -----+
//	B [u0] 192.0.2.2 -----+ switch
//	C [u0] 192.0.2.3 -----+

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A screen is a terminal of tmux with the UI of a node in it.
type screen struct {
	t      testing.TB
	server string // socket of tmux
	dir    string // the UI's working directory
}

// tui opens the UI of the node in a window of a size.
func (n *node) tui(w, h int, args ...string) *screen {
	n.t.Helper()
	dir := n.t.TempDir()
	s := &screen{n.t, filepath.Join(dir, "tmux"), dir}
	line := fmt.Sprintf("HOME=%s LANG=C.UTF-8 exec %s tui --socket %s %s", dir, program, n.socket, strings.Join(args, " "))
	s.tmux("-u", "-f", "/dev/null", "new-session", "-d", "-c", dir, "-x", fmt.Sprint(w), "-y", fmt.Sprint(h), line)
	n.t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.server, "kill-server").Run() })
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", s.server}, args...)...)
	cmd.Env = append(os.Environ(), "LANG=C.UTF-8", "TERM=xterm-256color")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// shown is what the terminal shows.
func (s *screen) shown() string { return s.tmux("capture-pane", "-p") }

// press presses keys by tmux's names.
func (s *screen) press(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

// types types text as it is.
func (s *screen) types(text string) {
	s.t.Helper()
	s.tmux("send-keys", "-l", text)
}

// shows waits until the terminal shows all texts.
func (s *screen) shows(texts ...string) {
	s.t.Helper()
	eventually(s.t, func() error {
		got := s.shown()
		for _, text := range texts {
			if !strings.Contains(got, text) {
				return fmt.Errorf("the screen does not show %q:\n%s", text, got)
			}
		}
		return nil
	})
}

// gone waits until the terminal no longer shows a text.
func (s *screen) gone(text string) {
	s.t.Helper()
	eventually(s.t, func() error {
		if got := s.shown(); strings.Contains(got, text) {
			return fmt.Errorf("the screen still shows %q:\n%s", text, got)
		}
		return nil
	})
}

// line waits for a line of the screen with all the words.
func (s *screen) line(words ...string) {
	s.t.Helper()
	eventually(s.t, func() error {
		got := s.shown()
	lines:
		for l := range strings.Lines(got) {
			for _, w := range words {
				if !strings.Contains(l, w) {
					continue lines
				}
			}
			return nil
		}
		return fmt.Errorf("no line of the screen has %q:\n%s", words, got)
	})
}

// TestTUI watches a network while it happens: a machine joins by an invitation that was made on the
// screen, an address is learned and flushed, a peer is killed and comes back, and the node itself is
// started again.
func TestTUI(t *testing.T) {
	t.Parallel()
	hosts := star(t, "A", "B", "C")
	a, b, c := newMember(hosts[0], "a"), newMember(hosts[1], "b"), newMember(hosts[2], "c")
	token := a.found()
	a.start()
	a.waitUp()
	b.enter(token)
	waitMeet(t, a, b)

	s := a.tui(120, 36)
	s.shows("home", "● live", "1/1 up")
	s.line("● direct", " b ")

	s.press("a")
	s.shows("Invite a machine to home")
	s.types("c")
	s.press("Enter")
	s.shows("sudo vxmesh join", "waiting for a machine")
	c.enter(s.saved())
	s.shows("c is in")
	waitMeet(t, a, b, c)
	s.press("Escape")
	s.gone("Invite a machine")
	s.shows("2/2 up")

	s.press("3")
	s.line("learned", "b")
	s.press("F")
	s.shows("Flush", "keep")
	s.answer("n")
	s.line("learned", "b")
	s.press("F")
	s.shows("Flush", "keep")
	s.answer("y")
	eventually(t, func() error {
		if n := a.learned(); n > 0 {
			return fmt.Errorf("%d learned entries are left:\n%s", n, s.shown())
		}
		return nil
	})

	s.press("2")
	addr, err := c.inside()
	need(t, err)
	a.beat(c.host, addr) // who is not talked to is missed later
	c.kill()
	s.line("○", " c ")
	c.start()
	s.line("●", " c ")

	s.tmux("resize-window", "-x", "46", "-y", "12")
	s.line("●", " c ")
	s.tmux("resize-window", "-x", "120", "-y", "36")
	a.kill()
	s.shows("◌ reconnecting", "ENDPOINT")
	a.start()
	s.shows("● live")
	s.line("●", " c ")
	s.press("q")
	eventually(t, func() error {
		if exec.Command("tmux", "-S", s.server, "has-session").Run() == nil {
			return fmt.Errorf("the UI has not ended")
		}
		return nil
	})
}

// saved waits for the invitation that s writes into a file, and gives its line.
func (s *screen) saved() (token string) {
	s.t.Helper()
	s.press("s")
	eventually(s.t, func() error {
		files, err := filepath.Glob(filepath.Join(s.dir, "invitation-*"))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("no invitation is saved (%v):\n%s", err, s.shown())
		}
		line, err := os.ReadFile(files[0])
		if token = strings.TrimSpace(string(line)); err == nil && token == "" {
			err = fmt.Errorf("%s is empty as yet", files[0])
		}
		return err
	})
	return token
}

// answer answers a question. At first it takes no answer: a key that is held down must not give one.
func (s *screen) answer(key string) {
	s.t.Helper()
	<-time.After(500 * time.Millisecond)
	s.press(key)
	s.gone("keep")
}

// learned counts the learned entries of the FDB.
func (n *node) learned() (count int) {
	n.t.Helper()
	for _, e := range n.fdb() {
		if e.Kind == "learned" {
			count++
		}
	}
	return count
}

// TestTUIStart measures the first frame, with no node at all.
func TestTUIStart(t *testing.T) {
	t.Parallel()
	a := star(t, "A")[0]
	n := newMember(a, "a")
	start := time.Now()
	s := n.tui(80, 24)
	s.shows("No vxmesh node answers")
	t.Logf("the first frame is there after %v, tmux and the polling of it included", time.Since(start).Round(time.Millisecond))
}
