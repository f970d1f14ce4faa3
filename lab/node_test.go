//go:build linux && lab

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// Exit codes of the program.
const (
	exitOK         = 0
	exitConfig     = 3
	exitPermission = 4
	exitNotFound   = 6
	exitConflict   = 9
)

// A node is the node under test: the program, running in a namespace.
type node struct {
	*host
	proc   *netns.Process
	config string // file
	socket string
	listen string // the value of listen.vxlan

	segments []segment
	name     string    // of the node
	sealed   string    // further TOML of a node with peers; "" for none
	peers    []peering // what its file says about others
	noLAN    bool      // it neither says hello on its networks nor listens
	wrap     []string  // the command that starts the program, when it needs one
}

// join starts the node and waits until it is up.
func join(h *host, segments ...segment) *node {
	h.t.Helper()
	return joinPort(h, 4789, segments...)
}

// joinPort is [join] with another VXLAN port than the standard's.
func joinPort(h *host, port int, segments ...segment) *node {
	h.t.Helper()
	if *nodeKind == "kernel" {
		for i, s := range segments {
			h.kernel(s.withDefaults(fmt.Sprintf("vxm%d", i)), port)
		}
		return &node{host: h}
	}
	n := newNode(h, port, segments...)
	n.start()
	n.waitUp()
	return n
}

// joinPorts is [join] with several VXLAN ports.
func joinPorts(h *host, listen string, segments ...segment) *node {
	h.t.Helper()
	vxmeshOnly(h.t)
	n := newNode(h, 4789, segments...)
	n.listen = listen
	n.rewrite()
	n.start()
	n.waitUp()
	return n
}

// newNode writes the configuration of a node that is not started yet.
func newNode(h *host, port int, segments ...segment) *node {
	h.t.Helper()
	dir := h.t.TempDir()
	n := &node{
		host: h, config: filepath.Join(dir, "lab.toml"), socket: filepath.Join(dir, "lab.sock"),
		listen: fmt.Sprintf(`[":%d"]`, port), name: "m",
	}
	n.write(segments...)
	return n
}

// write replaces the configuration file.
func (n *node) write(segments ...segment) {
	n.t.Helper()
	n.segments = segments
	n.rewrite()
}

// rewrite writes the configuration file anew, after anything in n was changed.
func (n *node) rewrite() {
	n.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "[network]\nname = \"lab\"\nnode = %q\nstate = %q\n", n.name, n.state())
	b.WriteString("[log]\nlevel = \"debug\"\nformat = \"text\"\n")
	fmt.Fprintf(&b, "[discovery]\nstun = []\nlan = %t\n", !n.noLAN)
	fmt.Fprintf(&b, "[listen]\nvxlan = %s\n%s", n.listen, n.sealed)
	for _, p := range n.peers {
		b.WriteString(p.toml())
	}
	for i, s := range n.segments {
		b.WriteString(s.withDefaults(fmt.Sprintf("vxm%d", i)).toml())
	}
	need(n.t, os.WriteFile(n.config, []byte(b.String()), 0o600))
}

// state is the directory that has the node's identity.
func (n *node) state() string { return filepath.Join(filepath.Dir(n.config), "state") }

// start runs `vxmesh join`; whatever becomes of it, it ends with the case.
func (n *node) start() {
	n.t.Helper()
	proc, err := n.Start(netns.StartOptions{
		Args: append(slices.Clone(n.wrap), program, "join", n.config, "--socket", n.socket),
	})
	need(n.t, err)
	n.proc = proc
	n.t.Cleanup(func() {
		proc.Kill()
		if n.t.Failed() {
			n.t.Logf("output of vxmesh in %s:\n%s", n.Name(), proc.Output())
		}
		if out := proc.Output(); strings.Contains(out, "\ngoroutine ") ||
			strings.Contains(out, "DATA RACE") {
			n.t.Errorf("vxmesh in %s crashed:\n%s", n.Name(), proc.Output())
		}
	})
}

// waitUp waits until the node has started.
func (n *node) waitUp() {
	n.t.Helper()
	eventually(n.t, func() error {
		select {
		case <-n.proc.Done():
			n.t.Fatalf("vxmesh ended with exit code %d:\n%s", n.proc.ExitCode(), n.proc.Output())
		default:
		}
		var s status
		if err := n.tryJSON(&s, "status"); err != nil {
			return err
		}
		if s.State == "up" || s.State == "degraded" { // as with a remote that is not there
			return nil
		}
		return fmt.Errorf("state %q", s.State)
	})
}

// stop ends the node and expects it to leave cleanly.
func (n *node) stop() {
	n.t.Helper()
	n.leave(syscall.SIGTERM)
}

// leave sends a signal, expects exit code 0 and says how long it took. A node that hangs has to
// show where.
func (n *node) leave(sig syscall.Signal) time.Duration {
	n.t.Helper()
	begin := time.Now()
	need(n.t, n.proc.Signal(sig))
	code, err := n.proc.Wait(patience)
	if err != nil {
		need(n.t, n.proc.Signal(syscall.SIGQUIT)) // prints every goroutine
		_, err := n.proc.Wait(patience)
		n.t.Fatalf("vxmesh does not leave at %s: %v", sig, err)
	}
	if code != exitOK {
		n.t.Fatalf("vxmesh left with exit code %d:\n%s", code, n.proc.Output())
	}
	return time.Since(begin)
}

// ctl runs a command of the program against the node.
func (n *node) ctl(args ...string) (string, error) {
	if n.socket == "" {
		return "", errors.New("this case needs the program: run it without -node kernel")
	}
	return n.RunArgs(append([]string{program, "--socket", n.socket}, args...)...)
}

// mustCtl is [node.ctl] for commands that have to work.
func (n *node) mustCtl(args ...string) string {
	n.t.Helper()
	out, err := n.ctl(args...)
	need(n.t, err)
	return out
}

func (n *node) tryJSON(into any, args ...string) error {
	out, err := n.ctl(append(args, "--json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		return fmt.Errorf("%v: %w in %q", args, err, out)
	}
	return nil
}

// status, fdb and stats are what the program says about itself, as far as the lab looks.
type status struct {
	Schema   string `json:"schema"`
	State    string `json:"state"`
	Segments []struct {
		VNI    int    `json:"vni"`
		State  string `json:"state"`
		Device struct {
			Name, MAC string
			MTU       int
		} `json:"device"`
		VTEPs []struct {
			Remote, State, Reason string
		} `json:"vteps"`
	} `json:"segments"`
	Peers    []peerStatus `json:"peers"`
	Warnings []struct {
		Code, Message, Fix string
	} `json:"warnings"`
}

type fdbEntry struct {
	VNI  int    `json:"vni"`
	VLAN int    `json:"vlan"`
	MAC  string `json:"mac"`
	Port struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"port"`
	Kind  string  `json:"kind"`
	Age   float64 `json:"age_seconds"`
	Moves int     `json:"moves"`
}

// String is the entry in one line, without what changes by itself.
func (e fdbEntry) String() string {
	return fmt.Sprintf("%d %d %s %s %s %s", e.VNI, e.VLAN, e.MAC, e.Port.Kind, e.Port.Name, e.Kind)
}

type stats struct {
	Segments []struct {
		VNI      int            `json:"vni"`
		TxFrames int            `json:"tx_frames"`
		Drops    map[string]int `json:"drops"`
		Flooded  int            `json:"flooded_frames"`
		FDB      struct {
			Entries   int `json:"entries"`
			Learned   int `json:"learned"`
			Moved     int `json:"moved"`
			Aged      int `json:"aged"`
			TableFull int `json:"table_full"`
			PortFull  int `json:"port_full"`
		} `json:"fdb"`
	} `json:"segments"`
	Peers []struct {
		Name  string         `json:"name"`
		Drops map[string]int `json:"drops"`
	} `json:"peers"`
	Sockets []struct {
		Drops map[string]int `json:"drops"`
	} `json:"sockets"`
}

func (n *node) status() (s status) {
	n.t.Helper()
	need(n.t, n.tryJSON(&s, "status"))
	return s
}

func (n *node) stats() (s stats) {
	n.t.Helper()
	need(n.t, n.tryJSON(&s, "stats"))
	return s
}

func (n *node) fdb() []fdbEntry {
	n.t.Helper()
	var f struct{ Entries []fdbEntry }
	need(n.t, n.tryJSON(&f, "fdb", "show"))
	return f.Entries
}

// lookup finds a MAC address in the FDB.
func (n *node) lookup(mac string) (fdbEntry, bool) {
	n.t.Helper()
	for _, e := range n.fdb() {
		if e.MAC == mac {
			return e, true
		}
	}
	return fdbEntry{}, false
}

// drops is how many frames and datagrams were dropped for a reason, anywhere.
func (n *node) drops(reason string) (sum int) {
	n.t.Helper()
	s := n.stats()
	for _, segment := range s.Segments {
		sum += segment.Drops[reason]
	}
	for _, socket := range s.Sockets {
		sum += socket.Drops[reason]
	}
	return sum
}

// waitDrops waits until exactly that many were dropped for a reason.
func (n *node) waitDrops(reason string, want int) {
	n.t.Helper()
	eventually(n.t, func() error {
		if got := n.drops(reason); got != want {
			return fmt.Errorf("%d drops for %s, want %d", got, reason, want)
		}
		return nil
	})
}

// vxmeshOnly marks cases about the program's own surface.
func vxmeshOnly(t testing.TB) {
	t.Helper()
	if *nodeKind != "vxmesh" {
		t.Fatal("this case is about the program: run it without -node kernel")
	}
}
