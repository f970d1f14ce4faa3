package control_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// patience is how long anything may take before it counts as not happening.
const patience = 10 * time.Second

// An inn takes guests in, whose TAPs are pipes, and is told what they say.
type inn struct {
	t       *testing.T
	socket  string
	stop    func()
	refusal error // constant

	stays chan *innStay
}

type innStay struct {
	request control.GuestRequest
	tap     *os.File
	settled chan []netip.Prefix
	end     chan error // sends the guest away
	left    chan struct{}
}

func (s *innStay) Welcome() control.GuestWelcome {
	return control.GuestWelcome{Schema: control.SchemaGuest, Network: "home", VNI: 7, Name: s.request.Name, MTU: 1450}
}
func (s *innStay) Settle(a []netip.Prefix) { s.settled <- a }
func (s *innStay) Leave()                  { _ = s.tap.Close(); close(s.left) }

func (s *innStay) Wait(ctx context.Context) error {
	select {
	case err := <-s.end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// open serves an inn until the test ends.
func open(t *testing.T, l control.Limits, refusal error) *inn {
	t.Helper()
	i := &inn{t: t, socket: filepath.Join(t.TempDir(), "home.sock"), refusal: refusal, stays: make(chan *innStay, 64)}
	ln, err := control.Listen(i.socket, "")
	if err != nil {
		t.Fatal(err)
	}
	b := controltest.New().Backend()
	b.Guest = i.admit
	i.stop = controltest.Run(t, ln, b, control.ServeWithin(l))
	return i
}

func (i *inn) admit(r control.GuestRequest, tap *os.File) (control.GuestStay, error) {
	if i.refusal != nil {
		_ = tap.Close()
		return nil, i.refusal
	}
	s := &innStay{
		request: r, tap: tap, settled: make(chan []netip.Prefix, 1), end: make(chan error, 1), left: make(chan struct{}),
	}
	i.stays <- s
	return s, nil
}

func (i *inn) client() control.Client { return control.Client{Socket: i.socket} }

// got is the next of a channel.
func got[T any](t *testing.T, from <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("no %s", what)
	}
	return v
}

// pipe is a file to pass, and where what is written to it comes out.
func pipe(t *testing.T) (passed, out *os.File) {
	t.Helper()
	out, passed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = out.Close(), passed.Close() })
	return passed, out
}

// join has a guest come in.
func (i *inn) join(name string) (*control.GuestConn, *innStay) {
	i.t.Helper()
	tap, _ := pipe(i.t)
	g, err := i.client().Guest(i.t.Context(), control.GuestRequest{Name: name}, tap)
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { _ = g.Close() })
	return g, got(i.t, i.stays, "stay")
}

// TestGuestStay: the node gets the very file, hears what was settled, and of the end.
func TestGuestStay(t *testing.T) {
	i := open(t, control.Limits{}, nil)
	passed, out := pipe(t)
	g, err := i.client().Guest(t.Context(), control.GuestRequest{Name: "a", VNI: 7}, passed)
	if err != nil {
		t.Fatal(err)
	}
	s := got(t, i.stays, "stay")
	if g.Welcome.Name != "a" || g.Welcome.MTU != 1450 || s.request.VNI != 7 {
		t.Errorf("welcome %+v to %+v", g.Welcome, s.request)
	}
	if _, err := s.tap.WriteString("through"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 7)
	if _, err := io.ReadFull(out, b); err != nil || string(b) != "through" {
		t.Errorf("%q came out, %v", b, err)
	}
	want := netip.MustParsePrefix("10.0.0.9/24")
	if err := g.Settle([]netip.Prefix{want}); err != nil {
		t.Error(err)
	}
	if a := got(t, s.settled, "address"); len(a) != 1 || a[0] != want {
		t.Errorf("settled at %v", a)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	got(t, s.left, "end")
}

// TestGuestSentAway hears why, from the node and when that ends.
func TestGuestSentAway(t *testing.T) {
	i := open(t, control.Limits{}, nil)
	a, stayA := i.join("a")
	b, stayB := i.join("b")
	stayA.end <- control.Errorf(control.CodeNotFound, "the segment is gone")
	if e := control.AsError(a.Wait()); e.Code != control.CodeNotFound || e.Message != "the segment is gone" {
		t.Errorf("sent away: %v", e)
	}
	got(t, stayA.left, "end")
	i.stop()
	if e := control.AsError(b.Wait()); e.Code != control.CodeNoNode {
		t.Errorf("the node has left: %v", e)
	}
	got(t, stayB.left, "end")
	if _, err := i.client().Guest(t.Context(), control.GuestRequest{Name: "c"}, os.Stdin); !errors.Is(err, control.ErrNoNode) {
		t.Errorf("no node: %v", err)
	}
}

// TestGuestTurnedAway: what the engine says reaches the guest.
func TestGuestTurnedAway(t *testing.T) {
	i := open(t, control.Limits{}, control.Errorf(control.CodeConflict, "full"))
	tap, _ := pipe(t)
	_, err := i.client().Guest(t.Context(), control.GuestRequest{Name: "a"}, tap)
	if e := control.AsError(err); e.Code != control.CodeConflict || e.Message != "full" {
		t.Errorf("%v", err)
	}
	b := controltest.New().Serve(t) // takes none
	_, err = control.Client{Socket: b}.Guest(t.Context(), control.GuestRequest{Name: "a"}, tap)
	if e := control.AsError(err); e.Code != control.CodeFailed || !strings.Contains(e.Message, "no guests") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = i.client().Guest(ctx, control.GuestRequest{Name: "a"}, tap); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestGuestsLockNobodyOut: they do not count as connections of clients.
func TestGuestsLockNobodyOut(t *testing.T) {
	i := open(t, control.Limits{Conns: 2}, nil)
	for n := range 4 {
		i.join(fmt.Sprint("g", n))
	}
	if _, err := i.client().Status(t.Context()); err != nil {
		t.Error(err)
	}
}

const upgrade = "POST /v1/guests HTTP/1.1\r\nHost: vxmesh\r\nConnection: Upgrade\r\nUpgrade: vxmesh-guest\r\n" +
	"Content-Length: %d\r\n\r\n%s"

// talk makes a request of its own making and gives the connection and the answer's status.
func (i *inn) talk(text string) (*net.UnixConn, *bufio.Reader, int) {
	i.t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: i.socket, Net: "unix"})
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		i.t.Fatal(err)
	}
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	return c, in, res.StatusCode
}

// upgraded is a connection that waits for its TAP.
func (i *inn) upgraded(body string) (*net.UnixConn, *bufio.Reader) {
	i.t.Helper()
	c, in, status := i.talk(fmt.Sprintf(upgrade, len(body), body))
	if status != http.StatusSwitchingProtocols {
		i.t.Fatalf("status %d", status)
	}
	return c, in
}

// errorLine is the error that comes next.
func errorLine(t *testing.T, in *bufio.Reader) *control.Error {
	t.Helper()
	e := new(control.Error)
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, e)
	}
	if err != nil || e.Message == "" {
		t.Errorf("%q, %v, want an error", line, err)
	}
	return e
}

func countFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// TestGuestHostile: whatever comes in place of a TAP is refused in words, is closed, and lets nobody in.
func TestGuestHostile(t *testing.T) {
	i := open(t, control.Limits{Read: 300 * time.Millisecond}, nil)
	tap, _ := pipe(t)
	fd := int(tap.Fd())
	many := make([]int, 50)
	for n := range many {
		many[n] = fd
	}
	for name, send := range map[string]func(c *net.UnixConn) error{
		"nothing":      func(*net.UnixConn) error { return nil },
		"the end":      func(c *net.UnixConn) error { return c.CloseWrite() },
		"a byte alone": func(c *net.UnixConn) error { _, err := c.Write([]byte{0}); return err },
		"two descriptors": func(c *net.UnixConn) error {
			_, _, err := c.WriteMsgUnix([]byte{0}, syscall.UnixRights(fd, fd), nil)
			return err
		},
		"fifty": func(c *net.UnixConn) error {
			_, _, err := c.WriteMsgUnix([]byte{0}, syscall.UnixRights(many...), nil)
			return err
		},
		"credentials": func(c *net.UnixConn) error {
			own := syscall.Ucred{Pid: int32(os.Getpid()), Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
			_, _, err := c.WriteMsgUnix([]byte{0}, syscall.UnixCredentials(&own), nil)
			return err
		},
	} {
		before := countFiles(t)
		c, in := i.upgraded(`{"name": "a"}`)
		if err := send(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		errorLine(t, in)
		_ = c.Close()
		until(t, name+": descriptors stay open", func() bool { return countFiles(t) <= before })
	}
	select {
	case <-i.stays:
		t.Error("somebody was let in")
	default:
	}
}

// until polls a condition until it holds.
func until(t *testing.T, otherwise string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal(otherwise)
		}
	}
}

// TestGuestBadRequests are refused before anything is upgraded.
func TestGuestBadRequests(t *testing.T) {
	i := open(t, control.Limits{}, nil)
	for body, want := range map[string]int{
		``:                                400,
		`{}`:                              400,
		`{"name": "10.0.0.1"}`:            400,
		`{"name": "a b"}`:                 400,
		`{"name": "a", "more": 1}`:        400,
		`{"name": "a", "vni": 16777216}`:  400,
		`{"name": "a", "addresses": [9]}`: 400,
		`{"name": "a", "addresses": ["10.0.0.9"]}`:                         400,
		`{"name": "a", "addresses": ["224.0.0.1/24"]}`:                     400,
		`{"name": "a", "auto": true, "addresses": ["10.0.0.9/24"]}`:        400,
		`{"name": "` + strings.Repeat("a", 33) + `"}`:                      400,
		`{"program": "a", "addresses": ["10.0.0.9/24", "2001:db8::9/64"]}`: 101,
	} {
		if _, _, status := i.talk(fmt.Sprintf(upgrade, len(body), body)); status != want {
			t.Errorf("%s: status %d, want %d", body, status, want)
		}
	}
	if status, body := request(t, i.socket, "POST", "/v1/guests", `{"name": "a"}`); status != 400 || !strings.Contains(body, "upgrade") {
		t.Errorf("no upgrade: %d %s", status, body)
	}
	early := fmt.Sprintf(upgrade, 13, `{"name": "a"}`) + "\x00"
	c, err := net.Dial("unix", i.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, early); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	if r, err := http.ReadResponse(in, nil); err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%+v, %v", r, err)
	}
	errorLine(t, in)
}

// TestGuestSaysTooMuch: nonsense ends the stay.
func TestGuestSaysTooMuch(t *testing.T) {
	i := open(t, control.Limits{}, nil)
	tap, _ := pipe(t)
	for name, text := range map[string]string{
		"no JSON":       "hello\n",
		"no address":    `{"addresses": ["fe80::%/1"]}` + "\n",
		"of many":       `{"addresses": ["224.0.0.1/24"]}` + "\n",
		"without end":   strings.Repeat(" ", 1<<16),
		"half, and end": `{"addr`,
	} {
		c, in := i.upgraded(`{"name": "a"}`)
		if _, _, err := c.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(tap.Fd())), nil); err != nil {
			t.Fatal(err)
		}
		s := got(t, i.stays, "stay")
		if _, err := in.ReadBytes('\n'); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, text) // it may be cut off in the middle
		_ = c.CloseWrite()
		got(t, s.left, "end after "+name)
	}
}
