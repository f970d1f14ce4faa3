package tunnel

import (
	"errors"
)

// errEnded is what a source gives whose device or socket was closed.
var errEnded = errors.New("closed")

// A source is where frames come from: an [uplink], a [downlink] or a [meshlink]. One goroutine at a
// time calls it.
type source interface {
	// carry takes what there is to where it belongs. With wait it first waits for something. The
	// error is errEnded, or what makes the node end.
	carry(wait bool) error
	// endpoint is the device or the socket.
	endpoint() any
	// beats is how it shows that it lives.
	beats() *pulse
}

// serve starts to carry from a source until it ends. The caller holds mu.
func (n *Node) serve(s source) {
	if !n.loop.serve(s) {
		forget := n.vitals.watch(s.beats())
		n.running.Go(func() error {
			defer forget()
			return serveAlone(s)
		})
	}
}

// serveAlone carries from one source on a goroutine of its own.
func serveAlone(s source) error {
	for {
		if err := s.carry(true); err != nil {
			return unlessEnded(err)
		}
	}
}

// unlessEnded is nil for the end of a source.
func unlessEnded(err error) error {
	if errors.Is(err, errEnded) {
		return nil
	}
	return err
}
