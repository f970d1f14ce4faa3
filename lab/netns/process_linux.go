package netns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// runLimit bounds every command of [NS.Run]; nothing a lab asks for takes longer.
const runLimit = 60 * time.Second

// Run executes one command, words separated by blanks, and returns what it wrote to its standard
// output. The error holds the command and what it wrote to its standard error.
func (n *NS) Run(line string) (string, error) { return n.RunArgs(strings.Fields(line)...) }

// RunArgs is [NS.Run] for words that have blanks in them.
func (n *NS) RunArgs(args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := n.command(args)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := n.Do(cmd.Start); err != nil {
		return "", fmt.Errorf("%s: start %q: %w", n.name, args, err)
	}
	limit := time.AfterFunc(runLimit, func() { cmd.Process.Kill() })
	defer limit.Stop()
	if err := cmd.Wait(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %s: %w: %s", n.name, strings.Join(args, " "), err,
			strings.TrimSpace(stderr.String()+stdout.String()))
	}
	return stdout.String(), nil
}

// command prepares a process that the kernel kills when this one dies, however it dies.
func (n *NS) command(args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return cmd
}

// A Process runs in the background of a namespace.
type Process struct {
	cmd   *exec.Cmd
	out   output
	done  chan struct{}
	state *os.ProcessState // set when done is closed
}

// StartOptions say how [NS.Start] runs a command.
type StartOptions struct {
	Args []string
	Env  []string // added to this process's environment
	Dir  string
}

// Start begins a command in the background. Its output is kept, and [Process.Kill] or
// [Process.Stop] must end it.
func (n *NS) Start(o StartOptions) (*Process, error) {
	p := &Process{cmd: n.command(o.Args), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.Env, p.cmd.Dir = append(os.Environ(), o.Env...), o.Dir
	if err := n.Do(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("%s: start %q: %w", n.name, o.Args, err)
	}
	go func() {
		_ = p.cmd.Wait() // the state says all that the error does
		p.state = p.cmd.ProcessState
		close(p.done)
	}()
	return p, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Output is what the process has written so far to standard output and standard error.
func (p *Process) Output() string { return p.out.String() }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode is valid once [Process.Done] is closed; -1 after a signal.
func (p *Process) ExitCode() int { return p.state.ExitCode() }

// Signal sends s to the process alone.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Wait waits for the end and returns the exit code; after the time given it is an error with the
// output in it.
func (p *Process) Wait(limit time.Duration) (int, error) {
	select {
	case <-p.done:
		return p.ExitCode(), nil
	case <-time.After(limit):
		return 0, fmt.Errorf("%s still runs after %s:\n%s", p.cmd.Args[0], limit, p.Output())
	}
}

// Stop asks the process to end with SIGTERM and waits for it.
func (p *Process) Stop(limit time.Duration) (int, error) {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, fmt.Errorf("stop %s: %w", p.cmd.Args[0], err)
	}
	return p.Wait(limit)
}

// Kill ends the process and its children at once; one that has ended already is fine.
func (p *Process) Kill() {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // its own group: see command
		<-p.done
	}
}

// An output keeps the beginning of what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// outputLimit bounds what is kept; a process that writes more is not held up.
const outputLimit = 1 << 20

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b[:min(len(b), outputLimit-o.text.Len())])
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
