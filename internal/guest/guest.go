// Package guest runs a program in a network namespace of its own, whose only interface is a TAP that is
// given away: to a node, which plugs it into a segment.
//
// Use it for `vxmesh run`, on Linux. [Start] makes the namespace, with a process of this program in it, which
// [Process.Begin] turns into the other program, and [Process.Wait] attends to. A [Process] belongs to one
// goroutine, but for [Process.SetCarrier].
package guest

import (
	"errors"
	"net/netip"

	"github.com/vxmesh/vxmesh/tundev"
)

// Device is the name of the interface in the namespace.
const Device = "vxm0"

// Kinds of failure, found with [errors.Is].
var (
	ErrNamespace = errors.New("this system does not let you make a network namespace")
	ErrRights    = errors.New("this system gives you no rights within a network namespace of your own")
	ErrTaken     = errors.New("the address is taken")
	ErrProgram   = errors.New("the program cannot be started")
	ErrSystem    = errors.New("a network namespace needs Linux")
)

// Options is what [Start] runs.
type Options struct {
	Path string   // of the program
	Args []string // its own name included
	Root bool     // to the program its user is root, who may change its interface
}

// A Place is what the program's interface is to be.
type Place struct {
	MTU        int              `json:"mtu"`
	Candidates [][]netip.Prefix `json:"candidates"` // the first whose addresses nobody has
}

// Hints gives at most three lines of what a person can do about an error of this package, most likely
// first.
func Hints(err error) []string {
	switch {
	case errors.Is(err, ErrNamespace), errors.Is(err, ErrRights):
		return namespaceHints()
	case errors.Is(err, tundev.ErrPermission):
		return []string{
			"let everybody open it, as most systems do   sudo chmod 0666 /dev/net/tun",
			"or run it as root                           sudo vxmesh run ...",
		}
	case errors.Is(err, tundev.ErrNoTun):
		return []string{"load the driver   sudo modprobe tun"}
	case errors.Is(err, ErrTaken):
		return []string{"name another with --address, or leave the choice to the network: --address auto"}
	}
	return nil
}
