package tundev

import (
	"errors"
	"fmt"
)

// Errors of [Device.ReadFrame] and [Device.WriteFrame].
var (
	ErrWouldBlock = errors.New("no frame is waiting")
	ErrClosed     = errors.New("device is closed")
	ErrDown       = errors.New("device is down")
)

// Misuse of the same.
var (
	errShortFrame  = errors.New("frame is shorter than an Ethernet header")
	errManyParts   = fmt.Errorf("frame has more than %d parts", MaxParts)
	errShortBuffer = fmt.Errorf("buffer is shorter than %d bytes", BufLen)
)

// Kinds of failure of [Open] and [Device.Reconfigure], found with [errors.Is].
var (
	ErrPermission = errors.New("operation not permitted")
	ErrInUse      = errors.New("the name is in use")
	ErrNoBridge   = errors.New("there is no such bridge")
	ErrNoTun      = errors.New("/dev/net/tun is missing: load the driver with modprobe tun")
	ErrInvalid    = errors.New("invalid option")
)

// An Error says what could not be done to which interface.
type Error struct {
	Op   string // verb and object: "create tap device"
	Name string // of the interface or bridge
	Err  error  // one of the kinds or the kernel's
}

// Error is a sentence: cannot create tap device vxm0: operation not permitted.
func (e *Error) Error() string { return fmt.Sprintf("cannot %s %s: %v", e.Op, e.Name, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// A cause says more than its kind's own text does, and still is of that kind.
type cause struct {
	kind error
	text string
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.kind }

func causef(kind error, format string, args ...any) error {
	return &cause{kind, fmt.Sprintf(format, args...)}
}
