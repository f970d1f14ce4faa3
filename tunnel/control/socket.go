package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	socketExt = ".sock"
	// probeTimeout bounds how long a socket is asked whether anybody lives behind it.
	probeTimeout = time.Second
)

// SocketPath is where the node of a network listens when its config says "auto".
func SocketPath(network string) string {
	return filepath.Join(ownDir(), network+socketExt)
}

// ownDir is the directory of the sockets of nodes that this user starts.
func ownDir() string {
	switch {
	case runtime.GOOS == "windows" || os.Geteuid() == 0 || isService():
		return systemDir()
	case os.Getenv("XDG_RUNTIME_DIR") != "":
		return filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "vxmesh")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("vxmesh-%d", os.Geteuid()))
}

// isService reports whether the service manager has made the system's directory for this process, which
// runs as a user of its own: $RUNTIME_DIRECTORY of systemd.exec(5).
func isService() bool {
	return slices.Contains(filepath.SplitList(os.Getenv("RUNTIME_DIRECTORY")), systemDir())
}

// A Network is a node that runs on this machine, as far as its socket shows.
type Network struct {
	Name   string
	Socket string // path
}

// Networks lists the nodes that run on this machine with a socket at its usual place, by name:
// this user's own and those of the system. One whose socket this user may not open is listed too.
func Networks() []Network {
	var found []Network
	for _, dir := range slices.Compact([]string{ownDir(), systemDir()}) {
		found = slices.AppendSeq(found, running(dir))
	}
	slices.SortStableFunc(found, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// running yields those that listen in a directory.
func running(dir string) iter.Seq[Network] {
	return func(yield func(Network) bool) {
		paths, _ := filepath.Glob(filepath.Join(dir, "*"+socketExt))
		for _, path := range paths {
			if inUse(path) && !yield(Network{networkOf(path), path}) {
				return
			}
		}
	}
}

func networkOf(path string) string {
	return strings.TrimSuffix(filepath.Base(path), socketExt)
}

// Listen makes the control socket. Its directory is made if need be (0755). The socket is for its
// owner alone, or also for a group if one is named. What a killed node left is replaced; a live
// node is an error that wraps [ErrInUse]; a file that is not a socket is never touched.
func Listen(path, group string) (net.Listener, error) {
	l, err := bind(path, group)
	switch {
	case errors.Is(err, ErrInUse):
		return nil, whoRuns(path) // may take a while: after bind's lock is gone
	case errors.Is(err, fs.ErrPermission):
		return nil, &Error{Code: CodePermission, Message: err.Error(), cause: err, Fix: []string{
			"run it with the right to write to " + filepath.Dir(path) + ", as root has it",
			"or take another place      socket in [control], or --socket FILE here and with every command",
		}}
	}
	return l, err
}

func bind(path, group string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directory of control socket: %w", err)
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	l, err := listenPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("listen on control socket: %w", err)
	}
	if err := admitGroup(path, group); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// clearStale removes a socket file behind which nobody lives.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at control socket: %w", err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return Errorf(CodeConflict, "control socket %s: a file that is not a socket is there", path)
	}
	if inUse(path) {
		return ErrInUse
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove stale control socket: %w", err)
	}
	return nil
}

// inUse reports whether a process holds the socket. Only a refused connection proves that none
// does; a full backlog or a missing permission does not.
func inUse(path string) bool {
	c, err := net.DialTimeout("unix", path, probeTimeout)
	if err != nil {
		return !refused(err) && !errors.Is(err, fs.ErrNotExist)
	}
	_ = c.Close()
	return true
}

// whoRuns names the node behind a live socket as well as it can.
func whoRuns(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	s, err := Client{Socket: path}.Status(ctx)
	if err != nil {
		return fmt.Errorf("%w network %s (on %s)", ErrInUse, networkOf(path), path)
	}
	return fmt.Errorf("%w network %s (pid %d)", ErrInUse, s.Network, s.PID)
}
