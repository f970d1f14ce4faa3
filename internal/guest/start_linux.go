package guest

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev"
)

// name is what the process in the namespace is called until it is the program.
const name = "vxmesh: guest"

// A Process is the program, or what becomes it, in its namespace.
type Process struct {
	cmd   *exec.Cmd
	link  link
	files []*os.File // the TAP, then the tables of connections
}

// Start makes a network namespace with a process in it that has made its TAP. The process ends with this
// one, and with the calling goroutine, which is bound to its thread for that: it is to be the one that calls
// [Process.Wait].
func Start(o Options) (*Process, error) {
	runtime.LockOSThread()
	l, other, err := newLink()
	if err != nil {
		return nil, err
	}
	p := &Process{link: l, cmd: exec.Command("/proc/self/exe")}
	p.cmd.Args = append([]string{name, mode(o.Root), o.Path}, o.Args...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	p.cmd.ExtraFiles = []*os.File{other}
	p.cmd.SysProcAttr = attributes(o.Root)
	err = p.cmd.Start()
	_ = other.Close()
	if err != nil {
		_ = l.conn.Close()
		return nil, startError(err)
	}
	var first report
	if p.files, err = l.receive(&first); err == nil {
		err = first.err()
	}
	if err == nil && len(p.files) == 0 {
		err = errors.New("the namespace has no TAP")
	}
	if err != nil {
		p.Abandon()
		return nil, endError(err)
	}
	return p, nil
}

// The modes of the process, as its first argument.
const (
	asUser = "user"
	asRoot = "root"
)

func mode(root bool) string {
	if root {
		return asRoot
	}
	return asUser
}

// attributes make the namespaces. Root needs no user namespace; others are themselves in one, or root if
// they want to be, and have until the program begins what it takes to set up an interface.
func attributes(root bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		return a
	}
	a.Cloneflags |= unix.CLONE_NEWUSER
	uid, gid := os.Geteuid(), os.Getegid()
	inside := [2]int{uid, gid}
	if root {
		inside = [2]int{}
	}
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: inside[0], HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: inside[1], HostID: gid, Size: 1}}
	a.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW}
	return a
}

// startError says what keeps a process from having namespaces.
func startError(err error) error {
	for _, e := range []error{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS, unix.EINVAL, unix.ENOSYS} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrNamespace, e)
		}
	}
	return fmt.Errorf("start a process in a network namespace: %w", err)
}

// endError is err, unless that says no more than that the process has ended.
func endError(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the process in the network namespace ended before it began")
	}
	return err
}

// namespaceHints goes by what this system has to say against namespaces of users.
func namespaceHints() []string {
	for _, k := range []struct{ key, bad, set string }{
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "0"},
		{"kernel/unprivileged_userns_clone", "0", "1"},
		{"user/max_user_namespaces", "0", "10000"},
	} {
		text, err := os.ReadFile("/proc/sys/" + k.key)
		if err == nil && strings.TrimSpace(string(text)) == k.bad {
			key := strings.ReplaceAll(k.key, "/", ".")
			return []string{
				fmt.Sprintf("allow it            sudo sysctl -w %s=%s", key, k.set),
				"or run it as root   sudo vxmesh run ...",
			}
		}
	}
	return []string{"run it as root   sudo vxmesh run ...", "in a container, its rules have to allow it: --cap-add SYS_ADMIN"}
}

// TAP is the interface's descriptor, which remains the process's own.
func (p *Process) TAP() *os.File { return p.files[0] }

// Begin sets the interface up and has the process become the program. It gives the addresses that the
// interface took; that asks the segment whether they are free, so the TAP must be plugged in.
func (p *Process) Begin(at Place) (taken []netip.Prefix, err error) {
	if err := p.link.send(at); err != nil {
		return nil, endError(err)
	}
	var r report
	if _, err := p.link.receive(&r); err != nil {
		return nil, endError(err)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	taken, r = r.Taken, report{}
	switch _, err := p.link.receive(&r); {
	case errors.Is(err, io.EOF): // it is the program now
		return taken, nil
	case err != nil:
		return nil, err
	}
	return nil, r.err()
}

// SetCarrier has the program see its interface with or without a cable.
func (p *Process) SetCarrier(on bool) error { return tundev.SetCarrier(p.TAP(), on) }

// Close lets go of the TAP. It is for after Wait.
func (p *Process) Close() {
	_ = p.link.conn.Close()
	for _, f := range p.files {
		_ = f.Close()
	}
}

// Abandon ends a process that is not to become the program, and closes it.
func (p *Process) Abandon() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it was told to end
	p.Close()
}
