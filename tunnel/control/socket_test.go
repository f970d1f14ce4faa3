package control_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// leaveStale leaves what a killed node leaves: a socket file that nobody listens on.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatal("no stale socket left:", err)
	}
}

func TestListenMakesDirectoryAndPrivateSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "home.sock")
	l, err := control.Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		wantMode(t, path, 0o600)
		wantMode(t, filepath.Dir(path), 0o755)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there after close: %v", err)
	}
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != want {
		t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
	}
}

func TestListenForGroup(t *testing.T) {
	g, err := user.LookupGroupId(strconv.Itoa(os.Getgid()))
	if err != nil {
		t.Fatal("this user's group has no name:", err)
	}
	path := filepath.Join(t.TempDir(), "home.sock")
	l, err := control.Listen(path, g.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	wantMode(t, path, 0o660)
}

func TestListenForUnknownGroupIsConfigErrorAndLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home.sock")
	_, err := control.Listen(path, "no-such-group-here")
	if e := control.AsError(err); e == nil || e.Code != control.CodeConfig {
		t.Fatalf("got %v, want a config error", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a socket was left behind: %v", err)
	}
}

func TestListenReplacesStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home.sock")
	leaveStale(t, path)
	controltest.New().ServeAt(t, path)
	if _, err := (control.Client{Socket: path}).Status(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestListenLeavesLiveNodeAlone(t *testing.T) {
	path := controltest.New().Serve(t)
	_, err := control.Listen(path, "")
	if !errors.Is(err, control.ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
	const want = "another vxmesh already runs network home (pid 4711)"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if code := control.AsError(err).Code; code != control.CodeConflict {
		t.Errorf("code %s, want conflict", code)
	}
	if _, err := (control.Client{Socket: path}).Status(t.Context()); err != nil {
		t.Errorf("the live node no longer answers: %v", err)
	}
}

func TestListenTakesSilentListenerForLive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := control.Listen(path, ""); !errors.Is(err, control.ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
}

func TestListenNeverDeletesOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home.sock")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := control.Listen(path, "")
	if err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Fatalf("got %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file is now %q, %v", b, err)
	}
}

// TestListenAtOnceHasOneWinner starts eight nodes at the same moment on a stale socket: finding it
// stale and replacing it must be one step.
func TestListenAtOnceHasOneWinner(t *testing.T) {
	for i := range 20 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "home.sock")
			leaveStale(t, path)
			won := listenAtOnce(t, path, 8)
			if len(won) != 1 {
				t.Errorf("%d nodes took the socket, want 1", len(won))
			}
			for _, l := range won {
				_ = l.Close()
			}
		})
	}
}

func listenAtOnce(t *testing.T, path string, n int) (won []net.Listener) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			l, err := control.Listen(path, "")
			if err != nil {
				if !errors.Is(err, control.ErrInUse) {
					t.Error(err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			won = append(won, l)
		})
	}
	wg.Wait()
	return won
}

func TestNetworksListsThoseThatRun(t *testing.T) {
	if os.Geteuid() == 0 {
		// Root's sockets have a fixed place, which belongs to the machine and not to a test.
		for _, n := range control.Networks() {
			if n.Socket != control.SocketPath(n.Name) {
				t.Errorf("%+v is not at its place %s", n, control.SocketPath(n.Name))
			}
		}
		return
	}
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	want := filepath.Join(dir, "vxmesh", "home.sock")
	if got := control.SocketPath("home"); got != want {
		t.Fatalf("socket path %s, want %s", got, want)
	}
	controltest.New().ServeAt(t, want)
	leaveStale(t, control.SocketPath("gone"))
	var names []string
	for _, n := range control.Networks() {
		if filepath.Dir(n.Socket) == filepath.Dir(want) {
			names = append(names, n.Name)
		}
	}
	if len(names) != 1 || names[0] != "home" {
		t.Errorf("networks %v, want only home", names)
	}
}
