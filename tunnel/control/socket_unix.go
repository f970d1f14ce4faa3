//go:build unix

package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// systemDir is the directory of the sockets of nodes that root starts.
func systemDir() string {
	if runtime.GOOS == "linux" {
		return "/run/vxmesh"
	}
	return "/var/run/vxmesh"
}

// listenPrivate binds with mode 0600. Linux gives the file the mode that the socket had before;
// elsewhere the change before is refused, and the umask has to do until the change after.
func listenPrivate(path string) (net.Listener, error) {
	private := func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
	}
	l, err := (&net.ListenConfig{Control: private}).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func admitGroup(path, group string) error {
	if group == "" {
		return nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return &Error{
			Code:    CodeConfig,
			Message: fmt.Sprintf("control socket: there is no group %q", group),
			Fix:     []string{"make it: groupadd " + group, `or leave control.group ""`},
		}
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return fmt.Errorf("control socket: group %s: %w", group, err)
	}
	if err := os.Chown(path, -1, gid); err != nil {
		e := Errorf(AsError(err).Code, "give control socket to group %s: %v", group, err)
		e.Fix = []string{"run it as root, or as a member of the group", `or leave control.group ""`}
		return e
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return fmt.Errorf("open control socket to group %s: %w", group, err)
	}
	return nil
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// lockDir keeps two nodes that start at once from both taking the same socket for stale. The lock
// is on the directory, so it leaves no file and ends with the process. Anyone who can read the
// directory can hold it, hence it is given up on after a while: then only the race is open.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory of control socket: %w", err)
	}
	for range 20 {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(probeTimeout / 10)
	}
	return func() { _ = d.Close() }, nil
}
