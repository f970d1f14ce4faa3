//go:build linux && lab

package tundev

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// The tests of this package's lab part work on real TAPs, each in a network namespace of its own.
// The devices are opened in that namespace; their goroutines run in the one the tests were started
// in, as nothing keeps them on a thread.

// patience is how long anything may take before a test gives up.
const patience = 10 * time.Second

var labMAC = ether.MAC{0xfe, 0x12, 0x34, 0x56, 0x78, 0x9a}

// A child of the tests opens the device that childEnv names, says how that went in one line, and
// keeps it until its standard input ends. With strangerPrefix before the name it first becomes a
// user who owns nothing here.
const (
	childEnv       = "TUNDEV_LAB_CHILD"
	strangerPrefix = "stranger:"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		child(name)
		return
	}
	os.Exit(m.Run())
}

func child(name string) {
	name, stranger := strings.CutPrefix(name, strangerPrefix)
	if stranger {
		const nobody = 65534
		if err := errors.Join(syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			fmt.Println(err)
			return
		}
	}
	d, err := Open(Options{Name: name, MAC: labMAC})
	fmt.Println(err)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := d.Close(); err != nil {
		fmt.Println(err)
	}
}

// startChild runs a child in the namespace, by way of a command that changes its rights, and gives
// what it said. It is killed at the end of the test.
func (n namespace) startChild(name string, wrap ...string) (cmd *exec.Cmd, said string) {
	n.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	argv := append(wrap, exe)
	cmd = exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	out, outErr := cmd.StdoutPipe()
	in, inErr := cmd.StdinPipe()
	n.do(func() { err = cmd.Start() })
	if err = errors.Join(outErr, inErr, err); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	said, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		n.t.Fatalf("the child said %q, then: %v", said, err)
	}
	return cmd, strings.TrimSpace(said)
}

// A namespace is a network namespace that lives as long as its test.
type namespace struct {
	t      testing.TB
	handle netns.NsHandle
}

func newNamespace(t testing.TB) namespace {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = home.Close() }()
	handle, err := netns.New()
	if err != nil {
		t.Fatalf("make a network namespace: %v (run as root, or below unshare -Urnm)", err)
	}
	t.Cleanup(func() { _ = handle.Close() })
	if err := netns.Set(home); err != nil {
		panic(err) // the thread is of no use to anybody
	}
	n := namespace{t, handle}
	n.ip("link set lo up")
	return n
}

// do runs f in the namespace.
func (n namespace) do(f func()) {
	n.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err == nil {
		err = netns.Set(n.handle)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(err)
		}
		_ = home.Close()
	}()
	f()
}

// ip runs ip(8) in the namespace and gives what it prints.
func (n namespace) ip(args string) string {
	n.t.Helper()
	out, err := n.tryIP(args)
	if err != nil {
		n.t.Fatalf("ip %s: %v\n%s", args, err, out)
	}
	return out
}

func (n namespace) tryIP(args string) (string, error) {
	var out []byte
	var err error
	n.do(func() { out, err = exec.Command("ip", strings.Fields(args)...).CombinedOutput() })
	return string(out), err
}

// open opens a device in the namespace; it is closed at the end of the test.
func (n namespace) open(o Options) Device {
	n.t.Helper()
	d, err := n.tryOpen(o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			n.t.Error(err)
		}
	})
	return d
}

func (n namespace) tryOpen(o Options) (d Device, err error) {
	n.t.Helper()
	if o.MAC.IsZero() {
		o.MAC = labMAC
	}
	n.do(func() { d, err = Open(o) })
	return d, err
}

// A shown interface is what ip(8) says about one.
type shown struct {
	Index   int      `json:"ifindex"`
	Flags   []string `json:"flags"`
	MTU     int      `json:"mtu"`
	Master  string   `json:"master"`
	Address string   `json:"address"`
	GSOMax  int      `json:"gso_max_size"`
	Addrs   []struct {
		Local     string `json:"local"`
		PrefixLen int    `json:"prefixlen"`
		Scope     string `json:"scope"`
		Tentative bool   `json:"tentative"`
	} `json:"addr_info"`
}

// show gives the interface, nil when there is none.
func (n namespace) show(name string) *shown {
	n.t.Helper()
	out, err := n.tryIP("-j -d addr show dev " + name)
	if err != nil {
		return nil
	}
	var all []shown
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		n.t.Fatalf("ip addr show %s: %v\n%s", name, err, out)
	}
	return &all[0]
}

func (s *shown) isUp() bool { return s != nil && slices.Contains(s.Flags, "UP") }

// addrs gives the addresses but for the kernel's own link-local one.
func (s *shown) addrs() string {
	var all []string
	for _, a := range s.Addrs {
		if a.Scope != "link" {
			all = append(all, fmt.Sprintf("%s/%d", a.Local, a.PrefixLen))
		}
	}
	return strings.Join(all, " ")
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	for tick := time.NewTicker(10 * time.Millisecond); !ok(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// keep runs the device until the end of the test.
func keep(t *testing.T, d Device) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func prefixes(ss ...string) (ps []netip.Prefix) {
	for _, s := range ss {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}
