//go:build linux && lab

package lab

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// nodeKind is what plays the node under test.
var nodeKind = flag.String("node", "vxmesh", `"vxmesh", or "kernel" to try a case itself`)

// program is the binary, built once in TestMain or named by VXMESH_BINARY.
var program = os.Getenv("VXMESH_BINARY")

// patience is how long a condition may take on a busy machine. It is a limit, not a wait.
const patience = 15 * time.Second

func TestMain(m *testing.M) {
	// The cases wait far more than they compute, so more of them fit than there are processors.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ns, err := netns.New("probe")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	ns.Close()
	if err := unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK); err != nil {
		fmt.Fprintf(os.Stderr, "lab: open /dev/net/tun: %v: TAP devices need it (modprobe tun, "+
			"chmod 666 /dev/net/tun)\n", err)
		return 1
	}
	// For a program built with -race: end at the first race, and without a second's pause.
	if err := os.Setenv("GORACE", "halt_on_error=1 atexit_sleep_ms=0"); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	if program == "" && *nodeKind == "vxmesh" {
		dir, err := os.MkdirTemp("", "vxmesh-lab-")
		if err != nil {
			fmt.Fprintln(os.Stderr, "lab:", err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "vxmesh")
		build := exec.Command("go", "build", "-o", program, "github.com/vxmesh/vxmesh/cmd/vxmesh")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "lab: build vxmesh: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// need tells a case's set-up that went wrong from what the case is about.
func need(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually fails the case when a condition does not come true in time.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	need(t, netns.Eventually(patience, check))
}
