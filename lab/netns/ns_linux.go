package netns

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// threadNS is the network namespace of the calling thread, not of the process.
const threadNS = "/proc/thread-self/ns/net"

// ErrRights is what [New] ends in when the process may not make network namespaces.
var ErrRights = errors.New("making network namespaces needs root: " +
	"use sudo, or run it inside `unshare -Urnm`")

// A NS is a network namespace that this process holds open.
type NS struct {
	name string
	file *os.File
}

// New makes an empty namespace with its loopback device up. The name is for messages only.
func New(name string) (*NS, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open(threadNS)
	if err != nil {
		return nil, fmt.Errorf("open namespace of this thread: %w", err)
	}
	defer home.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if errors.Is(err, unix.EPERM) {
			return nil, ErrRights
		}
		return nil, fmt.Errorf("make namespace %s: %w", name, err)
	}
	file, err := os.Open(threadNS)
	enter(home)
	if err != nil {
		return nil, fmt.Errorf("open namespace %s: %w", name, err)
	}
	n := &NS{name: name, file: file}
	if _, err := n.Run("ip link set lo up"); err != nil {
		file.Close()
		return nil, err
	}
	return n, nil
}

// enter moves the calling thread. Going on in a namespace nobody chose would be worse than a
// crash, and it cannot happen with a descriptor that is open.
func enter(ns *os.File) {
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(fmt.Sprintf("enter network namespace: %v", err))
	}
}

// Name is the name given to [New].
func (n *NS) Name() string { return n.name }

// Path names the namespace for other programs, `nsenter --net=PATH` or `ip link set ... netns
// PATH`, as long as this process lives.
func (n *NS) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// Close lets the namespace go. The kernel removes it and its devices once the processes and
// sockets in it have ended too.
func (n *NS) Close() error { return n.file.Close() }

// Do calls f on a thread inside the namespace. Sockets that f opens stay in the namespace for
// good; goroutines that f starts are outside it.
func (n *NS) Do(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open(threadNS)
	if err != nil {
		return fmt.Errorf("open namespace of this thread: %w", err)
	}
	defer home.Close()
	enter(n.file)
	defer enter(home)
	return f()
}

// Sysctl sets one key of net.*, written with dots or with slashes where a device's name has dots.
func (n *NS) Sysctl(key, value string) error {
	if !strings.Contains(key, "/") {
		key = strings.ReplaceAll(key, ".", "/")
	}
	return n.Do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0o644)
	})
}

// ReadFile reads a file whose content depends on the namespace, such as /proc/net/igmp. Below
// /proc/net it reads what belongs to the thread, not to the process.
func (n *NS) ReadFile(name string) (string, error) {
	if rest, ok := strings.CutPrefix(name, "/proc/net/"); ok {
		name = "/proc/thread-self/net/" + rest
	}
	var text []byte
	err := n.Do(func() (err error) {
		text, err = os.ReadFile(name)
		return err
	})
	return string(text), err
}

// linkLimit bounds the wait for a link.
const linkLimit = 10 * time.Second

// Veth joins two namespaces by a pair of Ethernet devices and returns when both carry frames. The
// namespaces may be the same.
func Veth(a *NS, devA string, b *NS, devB string) error {
	// Two ends that happen to have the same index, as the first devices of two namespaces would,
	// look to the kernel like one device, and it takes a second to notice their carrier.
	index := 1000 + 2*rand.IntN(1<<24)
	_, err := a.Run(fmt.Sprintf("ip link add %s index %d type veth peer name %s index %d netns %s",
		devA, index, devB, index+1, b.Path()))
	if err != nil {
		return err
	}
	if _, err := a.Run("ip link set dev " + devA + " up"); err != nil {
		return err
	}
	if _, err := b.Run("ip link set dev " + devB + " up"); err != nil {
		return err
	}
	return errors.Join(a.waitRunning(devA), b.waitRunning(devB))
}

// waitRunning waits until the device sends: a device that is up throws frames away until the
// kernel has noticed its carrier.
func (n *NS) waitRunning(device string) error {
	return Eventually(linkLimit, func() error {
		return n.Do(func() error {
			dev, err := net.InterfaceByName(device)
			if err == nil && dev.Flags&net.FlagRunning == 0 {
				err = fmt.Errorf("%s: %s has no carrier", n.name, device)
			}
			return err
		})
	})
}
