//go:build linux && lab

// A node whose device is a stack of its own, against the kernel's. M has no interface in the segment.
//
//	K vx0 10.0.0.1, fd42::1                             M (userspace) 10.0.0.2, fd42::2
//	  [u0] 192.0.2.1 ------------- VXLAN ------------- 192.0.2.2 [u0]

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// userspaceSegment is M's segment in the drawing.
func userspaceSegment() segment {
	s := tunSegment()
	s.kind = "userspace"
	return s
}

// newUserspaceLab is the drawing, up, with an MTU; 0 is what the underlay leaves.
func newUserspaceLab(t *testing.T, mtu int) (k *host, n *node) {
	t.Helper()
	vxmeshOnly(t)
	k, m := pair(t)
	if mtu != 0 {
		k.run("ip link set u0 mtu %d", mtu+v4.overhead())
		m.run("ip link set u0 mtu %d", mtu+v4.overhead())
	}
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24"}, mtu: mtu,
	}, 4789)
	k.run("ip addr add fd42::1/64 dev vx0 nodad")
	s := userspaceSegment()
	s.mtu = mtu
	return k, join(m, s)
}

// isHost wants K to find M's addresses at M's MAC, and M to answer.
func (k *host) isHost(n *node, sizes ...int) {
	k.t.Helper()
	for _, addr := range []string{"10.0.0.2", "fd42::2"} {
		eventually(k.t, func() error { return k.canPing(addr) })
		for _, size := range sizes {
			k.ping(addr, size)
		}
		if mac := k.neighbour(addr, "vx0"); mac != n.stationMAC() {
			k.t.Errorf("to K %s is at %q, want %s", addr, mac, n.stationMAC())
		}
	}
}

// TestUserspaceKernel: to K the node is a host as any, and its system has nothing of it.
func TestUserspaceKernel(t *testing.T) {
	t.Parallel()
	k, n := newUserspaceLab(t, 0)
	k.isHost(n, 56, 1400, 4000)
	k.run("ping -n -q -c 1 -W 5 -I vx0 %s", "fe80::"+linkLocalOf(n.stationMAC()))
	expectWords(t, n.mustCtl("status", "--json"), `"kind": "userspace"`, `"10.0.0.2/24"`)
	if n.hasDevice("vxm0") {
		t.Error("there is an interface")
	}
	begin := time.Now()
	err := k.Do(func() error { _, err := net.DialTimeout("tcp", "10.0.0.2:22", patience); return err })
	if err == nil || !strings.Contains(err.Error(), "refused") || time.Since(begin) > time.Second {
		t.Errorf("where nobody listens: %v after %v", err, time.Since(begin))
	}
	n.segments[0].addresses = []string{"10.0.0.22/24", "fd42::2/64"}
	n.rewrite()
	n.mustCtl("reload")
	eventually(t, func() error { return k.canPing("10.0.0.22") })
	if k.canPing("10.0.0.2") == nil {
		t.Error("an address that was taken away answers")
	}
	n.stop()
}

// TestUserspaceBig: packets of 9000 bytes cross in one piece.
func TestUserspaceBig(t *testing.T) {
	t.Parallel()
	k, n := newUserspaceLab(t, 9000)
	k.isHost(n, 56)
	k.ping("10.0.0.2", 9000-28, "-M do")
	k.ping("fd42::2", 9000-48, "-M do")
	if s := n.stats(); len(s.Segments) != 1 || s.Segments[0].TxFrames > 60 {
		t.Errorf("it took too many frames: %+v", s.Segments)
	}
}

// TestUserspaceSealed: to a node with a TAP it is a host as well.
func TestUserspaceSealed(t *testing.T) {
	t.Parallel()
	a, b := newSealedPair(t, v4)
	b.segments[0].kind = "userspace"
	b.rewrite()
	joinAll(a, b)
	for _, addr := range []string{"10.0.0.2", "fd42::2"} {
		eventually(t, func() error { return a.canPing(addr) })
		a.ping(addr, 1400)
		a.ping(addr, 8000)
	}
}

// TestUserspaceDuplicate: an address that K has is not used, and status says whose it is; K, which tries one
// that M has, hears of it.
func TestUserspaceDuplicate(t *testing.T) {
	t.Parallel()
	vxmeshOnly(t)
	k, m := pair(t)
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24", "10.0.0.2/24"},
	}, 4789)
	k.run("ip addr add fd42::1/64 dev vx0 nodad")
	n := join(m, userspaceSegment())
	eventually(t, func() error {
		if out, err := n.ctl("status"); err != nil || !strings.Contains(out, "uses 10.0.0.2") {
			return fmt.Errorf("status says nothing of it: %s", out)
		}
		return nil
	})
	eventually(t, func() error { return k.canPing("fd42::2") })
	k.run("sysctl -qw net.ipv6.conf.vx0.accept_dad=1 net.ipv6.conf.all.accept_dad=1")
	k.run("ip addr add fd42::2/64 dev vx0")
	eventually(t, func() error {
		if out := k.run("ip -6 addr show dev vx0 dadfailed"); !strings.Contains(out, "fd42::2") {
			return fmt.Errorf("the kernel has not noticed: %s", out)
		}
		return nil
	})
}

// TestUserspaceStorm: ten thousand questions for others, lies and questions for itself leave the node as it
// was, and it answers for nobody but itself.
func TestUserspaceStorm(t *testing.T) {
	t.Parallel()
	k, n := newUserspaceLab(t, 0)
	k.isHost(n, 56)
	before, own := n.residentKB(), n.stationMAC()
	seen := k.sniff("vx0", received(own))
	storm := k.sender("vx0")
	for i := range 10000 {
		need(t, storm.Send(arp(senderMAC, fmt.Sprintf("10.0.0.%d", 100+i%100), "10.0.0.77")))
		need(t, storm.Send(arpReply(own, senderMAC, "10.0.0.1", "10.0.0.2")))
		need(t, storm.Send(advert(senderMAC, "fd42::1")))
		need(t, storm.Send(arp(fmt.Sprintf("02:00:00:01:%02x:%02x", i>>8, i&255),
			fmt.Sprintf("10.0.0.%d", 3+i%70), "10.0.0.2")))
	}
	k.isHost(n, 56, 1400)
	if n.drops("unasked") == 0 {
		t.Error("no lie is counted")
	}
	if grown := n.residentKB() - before; grown > 32<<10 {
		t.Errorf("the storm took %d kB", grown)
	}
	for _, p := range seen.Packets() {
		if f := p.Data; f[12] == 8 && f[13] == 6 && f[21] == 2 && net.IP(f[28:32]).String() != "10.0.0.2" {
			t.Errorf("M answers for %s", net.IP(f[28:32]))
		}
	}
}

// TestUserspaceRootless: a user without any rights runs a node; the doctor asks for none.
func TestUserspaceRootless(t *testing.T) {
	t.Parallel()
	vxmeshOnly(t)
	k, m := pair(t)
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24"},
	}, 4789)
	k.run("ip addr add fd42::1/64 dev vx0 nodad")
	n := newNode(m, 4789, userspaceSegment())
	n.asNobody()
	n.start()
	n.waitUp()
	k.isHost(n, 56, 1400)
	status := n.run("grep -E ^(Uid|CapEff|CapBnd) /proc/%d/status", n.proc.PID())
	if len(strings.Fields(status)) != 9 || strings.Count(status, "0000000000000000") != 2 {
		t.Errorf("the node has rights: %s", status)
	}
	var d struct {
		Checks []struct{ Name, Result string }
	}
	out, _ := n.RunArgs(append(n.wrap, program, "--socket", n.socket, "doctor", "--json")...) // others may warn
	need(t, json.Unmarshal([]byte(out), &d))
	for _, c := range d.Checks {
		if (c.Name == "permissions" || c.Name == "device") && c.Result != "ok" {
			t.Errorf("doctor says %s of %s:\n%s", c.Result, c.Name, out)
		}
	}
	n.stop()
}

// asNobody has a user start the program who owns nothing but the node's files, with no capabilities and no
// way to any.
func (n *node) asNobody() {
	n.t.Helper()
	const nobody = 65534
	dir := filepath.Dir(n.config)
	need(n.t, os.Chmod(filepath.Dir(dir), 0o755)) // the case's, of which dir is a part
	own := filepath.Join(dir, "vxmesh")
	n.run("install -m 755 %s %s", program, own) // which may be where nobody else looks
	need(n.t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, nobody, nobody))
	}))
	n.wrap = []string{
		"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
		"--no-new-privs", "sh", "-c", `shift; exec "$0" "$@"`, own,
	}
}
