package vtep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// isolatedEnv tells the process in the namespace that it is there.
const isolatedEnv = "VXMESH_ISOLATED"

// Isolated reports whether this process is in a namespace that [Isolate] made.
func Isolated() bool { return os.Getenv(isolatedEnv) != "" }

// Isolate runs this program once more with the same arguments, in a network namespace of its own, and
// gives its exit code. Without root it takes a user namespace as well.
func Isolate(ctx context.Context) (code int, err error) {
	root := os.Geteuid() == 0
	code, err = isolate(ctx, !root)
	if root && errors.Is(err, syscall.EPERM) { // root of a container, say
		code, err = isolate(ctx, true)
	}
	if err != nil {
		return 0, fmt.Errorf("make a network namespace: %w; it takes root, or a system that lets users have "+
			"namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)", err)
	}
	return code, nil
}

// grace is how long the process may go on when this one is told to end.
const grace = time.Second

// terminate ends a process that does not end by itself. A ctrl-c has reached it as well, and a second
// signal would cut short how it leaves the terminal.
func terminate(p *os.Process, ended <-chan struct{}) {
	select {
	case <-ended:
	case <-time.After(grace):
		_ = p.Signal(syscall.SIGTERM)
	}
}

func isolate(ctx context.Context, asUser bool) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), isolatedEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	if asUser {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	// Pdeathsig is sent when the thread ends that started the process (prctl(2)).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	defer context.AfterFunc(ctx, func() { terminate(cmd.Process, ended) })()
	err = cmd.Wait()
	close(ended)
	if _, exited := errors.AsType[*exec.ExitError](err); exited {
		return max(cmd.ProcessState.ExitCode(), 1), nil // a signal is -1
	}
	return 0, err
}
