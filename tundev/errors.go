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

// kind is that of the device which could not be created.
func (e *Error) kind() string {
	if e.Op == (Options{Kind: TUN}).create() {
		return string(TUN)
	}
	return string(TAP)
}

// Hints gives at most three lines of what a person can do about an error of [Open] or
// [Device.Reconfigure], most likely first; none when there is nothing to advise.
func Hints(err error) []string {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	switch {
	case errors.Is(err, ErrPermission):
		return []string{
			"run it as root             sudo vxmesh join NETWORK",
			"or give the capability     sudo setcap cap_net_admin+ep $(command -v vxmesh)",
			"or lend it a device        sudo ip tuntap add " + e.Name + " mode " + e.kind() + " user $USER",
		}
	case errors.Is(err, ErrInUse):
		return []string{
			"see what has the name      ip -d link show " + e.Name,
			"see which process has it   sudo grep -l 'iff:.*" + e.Name + "' /proc/[0-9]*/fdinfo/*",
			"or choose another          name in [segments.device]",
		}
	case errors.Is(err, ErrNoBridge):
		return []string{
			"make it             sudo ip link add " + e.Name + " type bridge",
			"and set it up       sudo ip link set " + e.Name + " up",
			"or choose another   bridge in [segments.device]; see ip link show type bridge",
		}
	case errors.Is(err, ErrNoTun):
		return []string{
			"load the driver             sudo modprobe tun",
			"or hand it to a container   --device /dev/net/tun --cap-add NET_ADMIN",
		}
	}
	return nil
}
