//go:build linux && lab

package netns

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// pair is two namespaces joined by a cable: a [v0]----[v0] b
func pair(t *testing.T) (a, b *NS) {
	t.Helper()
	a, err := New("a")
	if err != nil {
		t.Fatal(err)
	}
	b, err = New("b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	if err := Veth(a, "v0", b, "v0"); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestSnifferSeesFramesAsSent(t *testing.T) {
	a, b := pair(t)
	head := []byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01")
	frames := [][]byte{
		append(bytes.Clone(head), "\x08\x00untagged, and long enough for a frame of its own"...),
		append(bytes.Clone(head), "\x81\x00\x60\x2a\x08\x00tagged with VLAN 42, priority 3"...),
		append(bytes.Clone(head), "\x88\xa8\x00\x0a\x81\x00\x00\x14\x08\x00tagged twice"...),
	}
	sniffer, err := b.Sniff("v0", func(p Packet) bool { return bytes.HasPrefix(p.Data, head) })
	if err != nil {
		t.Fatal(err)
	}
	defer sniffer.Close()
	sender, err := a.Sender("v0")
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	for _, f := range frames {
		if err := sender.Send(f); err != nil {
			t.Fatal(err)
		}
	}
	got, err := sniffer.Wait(len(frames), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		if !bytes.Equal(got[i].Data, f) || got[i].Out {
			t.Errorf("frame %d: got %x (out %v), want %x", i, got[i].Data, got[i].Out, f)
		}
	}
}

func TestRunSaysWhatFailed(t *testing.T) {
	a, _ := pair(t)
	_, err := a.Run("ip link set nothere up")
	if err == nil || !strings.Contains(err.Error(), "a: ip link set nothere up: exit status 1") ||
		!strings.Contains(err.Error(), "nothere") {
		t.Fatalf("error %v does not name namespace, command and device", err)
	}
}

func TestNamespacesAreApart(t *testing.T) {
	a, b := pair(t)
	if err := a.Sysctl("net.ipv4.ip_forward", "1"); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[*NS]string{a: "1\n", b: "0\n"} {
		if got, err := n.ReadFile("/proc/sys/net/ipv4/ip_forward"); err != nil || got != want {
			t.Errorf("%s: ip_forward %q, %v; want %q", n.Name(), got, err, want)
		}
	}
}

func TestProcess(t *testing.T) {
	a, _ := pair(t)
	const script = "trap 'echo bye; exit 7' TERM; echo $HELLO; while :; do sleep 0.05; done"
	p, err := a.Start(StartOptions{
		Args: []string{"sh", "-c", script},
		Env:  []string{"HELLO=hello"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	err = Eventually(5*time.Second, func() error {
		if p.Output() != "hello\n" {
			return errors.New("no hello: " + p.Output())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(time.Millisecond); err == nil || !strings.Contains(err.Error(), "hello") {
		t.Fatalf("waiting for a process that goes on: %v", err)
	}
	code, err := p.Stop(5 * time.Second)
	if err != nil || code != 7 || p.Output() != "hello\nbye\n" {
		t.Fatalf("stopped with %d, %v, %q", code, err, p.Output())
	}
}
