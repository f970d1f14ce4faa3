//go:build linux && lab

// The running node and the people who steer it, under traffic.
//
//	K vx0 10.0.0.1 [u0] 192.0.2.1 ----------- 192.0.2.2 [u0] M vxm0 10.0.0.2

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// newControlLab is the drawing, up.
func newControlLab(t *testing.T, s segment) (k *host, n *node) {
	t.Helper()
	s.addresses = []string{"10.0.0.2/24"}
	k, n = newDeviceLab(t, s)
	n.start()
	n.waitUp()
	k.ping("10.0.0.2", 56)
	return k, n
}

// load runs streams both ways until the case ends or stop is called.
func load(t *testing.T, k, m *host) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var streams sync.WaitGroup
	for _, way := range []struct {
		from, to *host
		addr     string
	}{{k, m, "10.0.0.2"}, {m, k, "10.0.0.1"}} {
		var l net.Listener
		need(t, way.to.Do(func() (err error) {
			l, err = net.Listen("tcp", way.addr+":0")
			return err
		}))
		var c net.Conn
		need(t, way.from.Do(func() (err error) {
			c, err = net.DialTimeout("tcp", l.Addr().String(), patience)
			return err
		}))
		far, err := l.Accept()
		need(t, err)
		context.AfterFunc(ctx, func() { l.Close(); c.Close(); far.Close() })
		streams.Go(func() { _, _ = io.Copy(io.Discard, far) })
		streams.Go(func() { pour(c) })
	}
	stop = func() { cancel(); streams.Wait() }
	t.Cleanup(stop)
	return stop
}

// pour writes until the connection ends.
func pour(c net.Conn) {
	b := make([]byte, 256<<10)
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// busy waits until the node has received that many frames more.
func (n *node) busy(frames uint64) {
	n.t.Helper()
	count := func() uint64 {
		var s struct {
			Segments []struct {
				RX uint64 `json:"rx_frames"`
			} `json:"segments"`
		}
		need(n.t, n.tryJSON(&s, "stats"))
		return s.Segments[0].RX
	}
	before := count()
	eventually(n.t, func() error {
		if got := count() - before; got < frames {
			return fmt.Errorf("%d frames, want %d", got, frames)
		}
		return nil
	})
}

// TestLeaveUnderTraffic is cleanup_ipv{4,6}_exception (case 66): SIGTERM and SIGINT end the node
// within a second in the middle of streams, and take everything along that it made.
func TestLeaveUnderTraffic(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			k, n := newControlLab(t, segment{})
			load(t, k, n.host)
			n.busy(1000)
			if took := n.leave(sig); took > time.Second {
				t.Errorf("left after %s, want it within a second", took)
			}
			if n.hasDevice("vxm0") {
				t.Error("vxm0 is left behind")
			}
			if _, err := os.Stat(n.socket); err == nil {
				t.Error("the control socket is left behind")
			}
		})
	}
}

// TestReloadBroken: a broken file changes nothing and is told where it is broken.
func TestReloadBroken(t *testing.T) {
	t.Parallel()
	k, n := newControlLab(t, segment{})
	load(t, k, n.host)
	text, err := os.ReadFile(n.config)
	need(t, err)
	for _, broken := range []string{
		string(text) + "\nnot toml",
		strings.Replace(string(text), "remotes", "remoets", 1),
		strings.Replace(string(text), "vni = 100", "vni = 0", 1),
	} {
		need(t, os.WriteFile(n.config, []byte(broken), 0o600))
		if out, err := n.ctl("reload"); err == nil || !strings.Contains(err.Error(), "lab.toml:") ||
			!strings.Contains(err.Error(), fmt.Sprintf("exit status %d", exitConfig)) {
			t.Errorf("reload of a broken file: %q, %v", out, err)
		}
		k.ping("10.0.0.2", 56)
	}
	need(t, n.proc.Signal(syscall.SIGHUP)) // says it in the log
	eventually(t, func() error {
		if !strings.Contains(n.proc.Output(), "lab.toml:") {
			return errors.New("SIGHUP with a broken file is not in the log")
		}
		return nil
	})
	need(t, os.WriteFile(n.config, text, 0o600))
	n.mustCtl("reload")
	k.ping("10.0.0.2", 56)
}

// TestReloadUnderTraffic: what a reload changes takes effect, and streams go on meanwhile.
func TestReloadUnderTraffic(t *testing.T) {
	t.Parallel()
	k, n := newControlLab(t, segment{})
	k.run("ip addr add 10.1.0.1/24 dev vx0")
	wire := k.sniff("u0", func(p packet) bool {
		o, ok := parseOuter(p.Data)
		return ok && fromM(p) && o.ttl == 77
	})
	meanwhile := make(chan error, 1)
	go func() { meanwhile <- stream(n.host, k, "10.0.0.1", 32<<20) }()
	n.write(segment{
		addresses: []string{"10.0.0.2/24", "10.1.0.2/24"}, remotes: []string{"192.0.2.1"},
		ttl: "77", ageing: "1m",
	})
	expectWords(t, n.mustCtl("reload"), "segments[100].fdb.ageing", "segments[100].vxlan.ttl",
		"segments[100].device.addresses")
	k.ping("10.1.0.2", 56)
	_, err := wire.Wait(1, patience)
	need(t, err)
	need(t, <-meanwhile)
}

// TestReloadSegments: a segment is added and taken away under traffic of another.
func TestReloadSegments(t *testing.T) {
	t.Parallel()
	k, n := newControlLab(t, segment{})
	k.kernel(segment{
		vni: 200, device: "vx1", local: "192.0.2.1", remotes: []string{"192.0.2.2"},
		addresses: []string{"10.1.0.1/24"},
	}, 4789)
	load(t, k, n.host)
	first := segment{addresses: []string{"10.0.0.2/24"}, remotes: []string{"192.0.2.1"}}
	second := segment{
		vni: 200, addresses: []string{"10.1.0.2/24"}, remotes: []string{"192.0.2.1"},
	}
	for range 2 {
		n.write(first, second)
		n.mustCtl("reload")
		eventually(t, func() error { return k.canPing("10.1.0.2") })
		n.write(first)
		n.mustCtl("reload")
		if n.hasDevice("vxm1") {
			t.Error("vxm1 is left behind")
		}
	}
	k.ping("10.0.0.2", 56)
}

// TestReloadVNI changes the VNI of the only segment: the new one takes over the device.
func TestReloadVNI(t *testing.T) {
	t.Parallel()
	k, n := newControlLab(t, segment{})
	k.kernel(segment{
		vni: 200, device: "vx1", local: "192.0.2.1", remotes: []string{"192.0.2.2"},
		addresses: []string{"10.1.0.1/24"},
	}, 4789)
	for range 2 {
		n.write(segment{vni: 200, addresses: []string{"10.1.0.2/24"}, remotes: []string{"192.0.2.1"}})
		n.mustCtl("reload")
		eventually(t, func() error { return k.canPing("10.1.0.2") })
		n.write(segment{addresses: []string{"10.0.0.2/24"}, remotes: []string{"192.0.2.1"}})
		n.mustCtl("reload")
		eventually(t, func() error { return k.canPing("10.0.0.2") })
	}
}

// TestClientThatNeverReads: it is cut off and harms nobody.
func TestClientThatNeverReads(t *testing.T) {
	t.Parallel()
	k, n := newControlLab(t, segment{maxEntries: 100000, maxPerPort: 100000})
	client, err := net.Dial("unix", n.socket)
	need(t, err)
	defer client.Close()
	_, err = io.WriteString(client, "GET /v1/events HTTP/1.1\r\nHost: vxmesh\r\n\r\n")
	need(t, err)
	raw := k.rawSocket("192.0.2.1", "192.0.2.2:4789")
	for i := range 50000 { // each makes an event
		mac := fmt.Sprintf("02:00:00:%02x:%02x:%02x", 1+i>>16, i>>8&255, i&255)
		raw.send(vxlan(100, hello(mac)))
	}
	n.status()
	k.ping("10.0.0.2", 56)
	tcp(t, k, n.host, "10.0.0.2", 4<<20)
	need(t, client.SetReadDeadline(time.Now().Add(patience)))
	if _, err := io.Copy(io.Discard, client); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the client is not cut off")
	}
}

// TestCapture: Wireshark's own reader opens what `capture` wrote, finds the VXLAN inside, and
// reads the reason of a drop.
func TestCapture(t *testing.T) {
	t.Parallel()
	k, n := newControlLab(t, segment{})
	file := filepath.Join(t.TempDir(), "lab.pcapng")
	capture, err := n.Start(netns.StartOptions{Args: []string{
		program, "capture", "-w", file, "--socket", n.socket,
	}})
	need(t, err)
	defer capture.Kill()
	eventually(t, func() error { // until it listens
		need(t, n.canPing("10.0.0.1"))
		if info, err := os.Stat(file); err != nil || info.Size() < 1000 {
			return fmt.Errorf("nothing captured: %v %s", err, capture.Output())
		}
		return nil
	})
	raw := k.rawSocket("192.0.2.1", "192.0.2.2:4789")
	raw.send(vxlan(100, eth(broadcast, "01:00:5e:00:00:01", 0x88b5, []byte("bad source"))))
	raw.send(vxlan(999, hello(senderMAC)))
	n.waitDrops("source_invalid", 1)
	n.waitDrops("vni_unknown", 1)
	n.ping("10.0.0.1", 56)
	if code, err := capture.Stop(patience); err != nil || code != exitOK {
		t.Errorf("capture ended with %d, %v: %s", code, err, capture.Output())
	}

	out := n.run("tshark -r %s -T fields -e frame.interface_name -e frame.protocols -e vxlan.vni "+
		"-e frame.comment -e icmp.type", file)
	expectWords(t, out, "inner\t", "outer\t", "dropped\t", ":vxlan:", "\t100\t", "\t999\t",
		"source_invalid", "vni_unknown")
	bad := n.run("tshark -r %s -Y _ws.malformed -T fields -e frame.number", file)
	if strings.TrimSpace(bad) != "" {
		t.Errorf("malformed packets in the capture: %s", bad)
	}
}

// TestMetrics: the numbers are on the control socket in Prometheus' form.
func TestMetrics(t *testing.T) {
	t.Parallel()
	_, n := newControlLab(t, segment{})
	out, err := n.RunArgs("curl", "-sS", "--unix-socket", n.socket, "http://vxmesh/metrics")
	need(t, err)
	expectWords(t, out, `vxmesh_frames_total{`, `vni="100"`, "vxmesh_fdb_entries")
}
