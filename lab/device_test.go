//go:build linux && lab

// What happens to the node's device, and to the node, from outside.
//
//	K vx0 10.0.0.1 [u0] 192.0.2.1 ----------- 192.0.2.2 [u0] M vxm0 10.0.0.2

package lab

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// newDeviceLab is the drawing with the node not started yet.
func newDeviceLab(t *testing.T, s segment) (k *host, n *node) {
	t.Helper()
	vxmeshOnly(t)
	k, m := pair(t)
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24"},
	}, 4789)
	s.remotes = []string{"192.0.2.1"}
	return k, newNode(m, 4789, s)
}

// hasDevice reports whether the host has a device of that name.
func (h *host) hasDevice(name string) (found bool) {
	h.t.Helper()
	need(h.t, h.Do(func() error {
		_, err := net.InterfaceByName(name)
		found = err == nil
		return nil
	}))
	return found
}

// TestDeviceRemoved: somebody deletes the device; it comes back as it was.
func TestDeviceRemoved(t *testing.T) {
	t.Parallel()
	k, n := newDeviceLab(t, segment{addresses: []string{"10.0.0.2/24", "fd42::2/64"}})
	n.start()
	n.waitUp()
	n.ping("10.0.0.1", 56)
	mac, mtu := n.mac("vxm0"), n.mtu("vxm0")
	for range 2 {
		n.run("ip link del vxm0")
		eventually(t, func() error { return n.canPing("10.0.0.1") })
		if got := n.mac("vxm0"); got != mac {
			t.Errorf("MAC %s after the device came back, want %s", got, mac)
		}
		if got := n.mtu("vxm0"); got != mtu {
			t.Errorf("MTU %d after the device came back, want %d", got, mtu)
		}
		if out := n.run("ip -o addr show dev vxm0"); !strings.Contains(out, "fd42::2/64") {
			t.Errorf("addresses after the device came back: %s", out)
		}
		k.ping("10.0.0.2", 56)
		tcp(t, k, n.host, "10.0.0.2", 1<<20)
	}
}

// TestDeviceSetDown: somebody sets the device down; it comes up again.
func TestDeviceSetDown(t *testing.T) {
	t.Parallel()
	k, n := newDeviceLab(t, segment{addresses: []string{"10.0.0.2/24"}})
	n.start()
	n.waitUp()
	k.ping("10.0.0.2", 56)
	n.run("ip link set dev vxm0 down")
	eventually(t, func() error { return n.canPing("10.0.0.1") })
	k.ping("10.0.0.2", 56)
}

// TestBridgeRemoved: the bridge goes away and comes back; the device joins it again.
func TestBridgeRemoved(t *testing.T) {
	t.Parallel()
	k, n := newDeviceLab(t, segment{bridge: "br0"})
	bridge := func() {
		n.run("ip link add br0 type bridge")
		n.run("ip addr add 10.0.0.2/24 dev br0")
		n.run("ip link set dev br0 up")
	}
	bridge()
	n.start()
	n.waitUp()
	eventually(t, func() error { return k.canPing("10.0.0.2") })
	n.run("ip link del br0")
	bridge()
	k.run("ip neigh flush all")
	eventually(t, func() error { return k.canPing("10.0.0.2") })
}

// TestUnderlayFlaps is reapply_config (case 18): the underlay loses its address and its carrier
// and gets both back under a running node.
func TestUnderlayFlaps(t *testing.T) {
	t.Parallel()
	k, m := pair(t)
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24"},
	}, 4789)
	join(m, segment{
		local: "192.0.2.2", remotes: []string{"192.0.2.1"}, addresses: []string{"10.0.0.2/24"},
	})
	m.ping("10.0.0.1", 56)
	m.run("ip addr del 192.0.2.2/24 dev u0")
	if m.canPing("10.0.0.1") == nil {
		t.Error("a ping without the underlay's address is answered")
	}
	m.run("ip addr add 192.0.2.2/24 dev u0")
	eventually(t, func() error { return m.canPing("10.0.0.1") })
	m.run("ip link set dev u0 down")
	m.run("ip link set dev u0 up")
	eventually(t, func() error { return m.canPing("10.0.0.1") })
	k.ping("10.0.0.2", 56)
}

// refused starts a node that cannot start and returns what it says.
func (n *node) refused(wantCode int) string {
	n.t.Helper()
	n.start()
	code, err := n.proc.Wait(patience)
	need(n.t, err)
	if code != wantCode {
		n.t.Errorf("exit code %d, want %d:\n%s", code, wantCode, n.proc.Output())
	}
	return n.proc.Output()
}

// expectWords wants all of them in a message.
func expectWords(t *testing.T, message string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(message, w) {
			t.Errorf("the message does not say %q:\n%s", w, message)
		}
	}
}

// TestNameTaken: a device of another kind has the name.
func TestNameTaken(t *testing.T) {
	t.Parallel()
	_, n := newDeviceLab(t, segment{})
	n.run("ip link add vxm0 type bridge")
	expectWords(t, n.refused(exitConflict), "vxmesh: ", "vxm0")
	if kind := n.run("ip -d link show dev vxm0"); !strings.Contains(kind, "bridge") {
		t.Errorf("the other device was touched: %s", kind)
	}
}

// TestMissingBridge: the bridge to join is not there; nothing is left behind.
func TestMissingBridge(t *testing.T) {
	t.Parallel()
	_, n := newDeviceLab(t, segment{bridge: "br7"})
	expectWords(t, n.refused(exitNotFound), "vxmesh: ", "br7")
	if n.hasDevice("vxm0") {
		t.Error("vxm0 is left behind")
	}
}

// TestNoRights: without CAP_NET_ADMIN the message says what is missing.
func TestNoRights(t *testing.T) {
	t.Parallel()
	_, n := newDeviceLab(t, segment{})
	out, err := n.RunArgs("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin",
		"--no-new-privs", "sh", "-c",
		fmt.Sprintf("%s join %s --socket %s 2>&1; echo exit code $?", program, n.config, n.socket))
	need(t, err)
	expectWords(t, out, "vxmesh: cannot create tap device vxm0: operation not permitted",
		fmt.Sprintf("exit code %d", exitPermission))
}

// TestPortTaken: another program has the UDP port.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	_, n := newDeviceLab(t, segment{})
	need(t, n.Do(func() error {
		c, err := net.ListenPacket("udp", ":4789")
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return err
	}))
	expectWords(t, n.refused(exitConflict), "vxmesh: ", "4789")
	if n.hasDevice("vxm0") {
		t.Error("vxm0 is left behind")
	}
}

// TestSecondNode: the same network cannot run twice on one machine.
func TestSecondNode(t *testing.T) {
	t.Parallel()
	k, n := newDeviceLab(t, segment{addresses: []string{"10.0.0.2/24"}})
	n.start()
	n.waitUp()
	second := *n
	second.refused(exitConflict)
	k.ping("10.0.0.2", 56)
	n.status()
}

// TestKillAndRestart: kill -9 leaves nothing that a next start would stumble over.
func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	k, n := newDeviceLab(t, segment{addresses: []string{"10.0.0.2/24"}})
	n.start()
	n.waitUp()
	mac := n.mac("vxm0")
	for range 3 {
		need(t, n.proc.Signal(syscall.SIGKILL))
		_, err := n.proc.Wait(patience)
		need(t, err)
		n.start()
		n.waitUp()
		if got := n.mac("vxm0"); got != mac {
			t.Errorf("MAC %s after a restart, want %s", got, mac)
		}
		k.ping("10.0.0.2", 56)
	}
	n.stop()
	if n.hasDevice("vxm0") {
		t.Error("vxm0 is left behind")
	}
	if _, err := os.Stat(n.socket); err == nil {
		t.Error("the control socket is left behind")
	}
}
