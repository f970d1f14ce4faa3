package screen

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// monkeyKeys are what a monkey presses: every key that does something, and some that do not.
var monkeyKeys = []string{
	"1", "2", "3", "4", "5", "6", "tab", "shift+tab", "up", "down", "j", "k", "g", "G", "home", "end", "pgup", "pgdown",
	"ctrl+u", "ctrl+d", "/", "esc", "enter", "<", ">", "r", "space", "ctrl+a", ":", "?", "p", "u", "y", "E", "C", "m", "T",
	"U", "a", "N", "o", "n", "x", "P", "R", "f", "d", "D", "z", "J", "K", "i", "F", "backspace", "w", "v", "l", "0", "L",
	"s", "&", "e", "b", "c", "q", "left", "right", "ctrl+w", "delete", "f1", "", "ctrl+n", "X", "h", "(", "é",
}

// halfEvents lack what their type promises, as those of a broken recording or of another version do.
func halfEvents(u *UI) (out []control.Event) {
	for _, t := range []control.EventType{
		control.EventSnapshot, control.EventStatus, control.EventPeers, control.EventPeerState, control.EventPeerMTU,
		control.EventStats, control.EventLog, control.EventDeviceState, control.EventWarning, control.EventMember,
		control.EventFDBLearned, control.EventFDBAdded, control.EventFDBMoved, control.EventFDBDeleted,
		control.EventFDBAged, control.EventFDBFlushed, "of tomorrow", "",
	} {
		out = append(out, control.Event{Type: t}, control.Event{Type: t, Time: u.Now})
	}
	return out
}

// TestMonkey presses keys and the mouse at random, in windows of any size, while anything happens: nothing
// may panic, and every frame has the size of its window.
func TestMonkey(t *testing.T) {
	for name, u := range worlds(t) {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			events := halfEvents(u)
			u.Resize(120, 36)
			for range 3000 {
				u.Now = u.Now.Add(time.Duration(rnd.IntN(700)) * time.Millisecond)
				switch rnd.IntN(12) {
				case 0:
					u.Resize(40+rnd.IntN(211), 10+rnd.IntN(71))
				case 1:
					u.Press(rnd.IntN(250), rnd.IntN(80), rnd.IntN(3)-1, rnd.IntN(2) == 0)
				case 2:
					u.Net.Apply(events[rnd.IntN(len(events))])
					u.Asks()
				case 3:
					u.Paste("q\x1b[201~D\ny:52")
				default:
					k := monkeyKeys[rnd.IntN(len(monkeyKeys))]
					text := ""
					if len([]rune(k)) == 1 {
						text = k
					}
					if e := u.Key(Key{Name: k, Text: text}); e != nil {
						monkeyDone(u, e, rnd)
					}
				}
				u.Tick(u.Now)
				if rnd.IntN(3) == 0 {
					frame(t, u)
				}
			}
		})
	}
}

// monkeyDone answers what a monkey has asked for with an error, or opens another network.
func monkeyDone(u *UI, e Effect, rnd *rand.Rand) {
	switch e := e.(type) {
	case Effects:
		for _, one := range e {
			monkeyDone(u, one, rnd)
		}
	case Do:
		u.Started(&e)
		u.Done(&e, nil, control.Errorf(control.CodeFailed, "no\x1b[2J"))
	}
}
