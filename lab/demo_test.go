//go:build linux && lab

// The demo with this machine's kernel as the second host:
//
//	host1 - NAT - internet in memory - NAT - host2 --- veth --- kernel's vxlan, 10.77.0.2
//	\------------- one process in a namespace of its own ---/   \--- another namespace ---/

package lab

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without any rights.
const nobody = 65534

// TestDemoKernel has the kernel answer the ping, as root and as somebody who is not.
func TestDemoKernel(t *testing.T) {
	for _, uid := range []uint32{0, nobody} {
		cmd := exec.Command(reachable(t), "demo", "--plain", "--kernel", "--count", "2", "--pause", "100ms")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("as %d: %v\n%s", uid, err, out)
			continue
		}
		for _, want := range []string{
			"host2 → kernel   plain VXLAN: ICMP echo request, 10.77.0.1 → 10.77.0.2",
			"kernel → host2   plain VXLAN: ICMP echo reply, 10.77.0.2 → 10.77.0.1",
			"VXLAN 08 000000 00004d 00: VNI 77", "ping 2: answered after",
		} {
			if !strings.Contains(string(out), want) {
				t.Errorf("as %d: no %q in\n%s", uid, want, out)
			}
		}
	}
}

// reachable is the program where everybody may run it.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vxmesh-demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	path := dir + "/vxmesh"
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
