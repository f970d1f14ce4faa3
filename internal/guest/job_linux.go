package guest

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bySignal is what is added to the number of the signal that ended a program, as shells do.
const bySignal = 128

// stopGrace is how long a program that stops may stop alone: a terminal stops both of us.
const stopGrace = 20 * time.Millisecond

// passedOn are the signals that are meant for the program when this process gets them.
var passedOn = []os.Signal{
	unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2,
}

// Wait returns when the program has ended, with its exit code. Meanwhile it is to whoever started this
// process as if there were the program alone: signals are passed on, and when it stops, this process does.
// A signal that ended the program as a rule ends this process, too.
func (p *Process) Wait() (code int, err error) {
	signals := make(chan os.Signal, len(passedOn))
	signal.Notify(signals, passedOn...)
	defer signal.Stop(signals)
	ended := make(chan struct{})
	go p.passOn(signals, ended)
	status, err := p.attend()
	close(ended)
	if err != nil {
		return 0, err
	}
	p.linger(signals)
	if !status.Signaled() {
		return status.ExitStatus(), nil
	}
	switch s := status.Signal(); s {
	case unix.SIGINT, unix.SIGTERM, unix.SIGHUP: // a script ends at this, and not at an exit code
		signal.Reset(s)
		_ = unix.Kill(os.Getpid(), s)
		time.Sleep(time.Second) // it is on its way
	}
	return bySignal + int(status.Signal()), nil
}

// passOn gives signals to the program until it has ended, but for those that it has from the terminal.
func (p *Process) passOn(signals <-chan os.Signal, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case s := <-signals:
			if typed := s == unix.SIGINT || s == unix.SIGQUIT; !typed || !inForeground() {
				_ = p.cmd.Process.Signal(s) // it may have ended just now
			}
		}
	}
}

// inForeground reports whether what is typed at the terminal goes to this process and to those that it
// started.
func inForeground() bool {
	terminal, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false // there is none
	}
	defer func() { _ = unix.Close(terminal) }()
	group, err := unix.IoctlGetInt(terminal, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// attend stops when the program does, for the shell that started us to notice, and goes on together with
// it.
func (p *Process) attend() (syscall.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(p.cmd.Process.Pid, &status, unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for the program: %w", err)
		case !status.Stopped():
			return syscall.WaitStatus(status), nil
		default:
			time.Sleep(stopGrace)
			if p.stopped() {
				_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
				_ = p.cmd.Process.Signal(unix.SIGCONT)
			}
		}
	}
}

// stopped reports whether the program stands still (proc_pid_stat(5)).
func (p *Process) stopped() bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, state, ok := strings.Cut(string(text), ") ")
	return err == nil && ok && strings.HasPrefix(state, "T")
}
