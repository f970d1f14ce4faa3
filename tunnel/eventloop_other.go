//go:build !linux

package tunnel

// An eventLoop would carry from many sources on one goroutine. This system has none: each source has a
// goroutine of its own.
type eventLoop struct{}

func newEventLoop(func(func() error)) *eventLoop { return nil }

func (l *eventLoop) serve(source) bool { return false }
func (l *eventLoop) close()            {}
func (l *eventLoop) wake()             {}
func (l *eventLoop) idle() bool        { return true }
func (l *eventLoop) turned() uint64    { return 0 }
