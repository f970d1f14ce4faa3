package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/internal/crash"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// crashVar has this test program, run once more, be a node that crashes: its value is the config's path.
const crashVar = "VXMESH_TEST_CRASH_CONFIG"

// A brokenDevice gives frames with payload, one in each batch, and panics when it has given them.
type brokenDevice struct {
	*tundevtest.Device
	left int
}

const payload = "a private word between two people"

func (d *brokenDevice) ReadFrame(b []byte, wait bool) (int, offload.Header, error) {
	if !wait {
		return 0, offload.Header{}, tundev.ErrWouldBlock
	}
	if d.left == 0 {
		panic("the device broke, and vxm1" + strings.Repeat("a", 20) + " was on its mind")
	}
	d.left--
	head := "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x00" +
		"\x45\x00\x00\x3d\x00\x00\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02" + "\x03\xe8\x00\x35\x00\x29\x00\x00"
	return copy(b, head+payload), offload.Header{}, nil
}

// crashDaemon is `vxmesh join` with a device that breaks.
func crashDaemon(path string) {
	cfg, err := config.Load(path)
	if err != nil {
		panic(err)
	}
	d, err := newDaemon(path, "", cfg)
	if err != nil {
		panic(err)
	}
	defer d.crash.Guard()
	d.node.Close()
	o := d.engineOptions()
	o.Segments[0].Device.None, o.Segments[0].Device.Name = false, "none7"
	o.OpenDevice = func(o tundev.Options) (tundev.Device, error) {
		return &brokenDevice{tundevtest.NewWith(o, tundev.Offloads{}), 3}, nil
	}
	if d.node, err = tunnel.New(o); err != nil {
		panic(err)
	}
	fmt.Println("ended", d.run(context.Background()))
	os.Exit(0)
}

// The config of a network whose owner writes secrets where they do not belong.
const crashingConfig = `# the invitation was vxm1bbbbbbbbbbbbbbbbbbbbbbbb
# identity: KEY
[network]
name = "crashing"
state = STATE
[listen]
vxlan = [LISTEN]
[control]
socket = SOCKET
[discovery]
stun = []
lan = false
portmap = false
[[segments]]
vni = 7
[segments.device]
kind = "none"
[segments.vxlan]
remotes = ["127.0.0.1:9"]  # password = open sesame
`

// writeCrashing writes that config, whose node has its keys already, and gives its path and all secrets.
func writeCrashing(t *testing.T) (path string, cfg *config.Config, secrets []string) {
	t.Helper()
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	vxmesh(t, "key", "new", "--state", state).wantCode(t, exitOK)
	key := string(ok[[]byte](t)(os.ReadFile(filepath.Join(state, "identity.key"))))
	secrets = []string{"vxm1", "open sesame", payload[:9]}
	for _, word := range regexp.MustCompile(`[A-Za-z0-9+/]{43}=`).FindAllString(key, -1) {
		raw := ok[[]byte](t)(base64.StdEncoding.DecodeString(word))
		secrets = append(secrets, word, string(raw), string(raw[:8]), hex.EncodeToString(raw[:8]))
	}
	free := ok[net.PacketConn](t)(net.ListenPacket("udp4", "127.0.0.1:0"))
	_ = free.Close()
	text := strings.NewReplacer("LISTEN", fmt.Sprintf("%q", free.LocalAddr()), "STATE", fmt.Sprintf("%q", state), "SOCKET", fmt.Sprintf("%q", filepath.Join(dir, "s")),
		"KEY", strings.TrimSpace(strings.ReplaceAll(key, "\n", "\n# "))).Replace(crashingConfig)
	path = filepath.Join(dir, "crashing.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, ok[*config.Config](t)(config.Load(path)), secrets
}

// crashOnce runs the node until it crashes, and gives what it said and its reports.
func crashOnce(t *testing.T, path string, cfg *config.Config) (said string, reports []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashVar+"="+path, "GOTRACEBACK=")
	out, err := cmd.CombinedOutput()
	exit, ended := errors.AsType[*exec.ExitError](err)
	if !ended || exit.ExitCode() != 2 || !strings.Contains(string(out), "panic: the device broke") {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out), crash.List(crashDir(cfg))
}

// TestCrash: a node whose engine panics ends as a panic does, leaves one file that has everything but
// secrets, and tells of it when it runs again.
func TestCrash(t *testing.T) {
	path, cfg, secrets := writeCrashing(t)
	said, reports := crashOnce(t, path, cfg)
	if len(reports) != 1 || !strings.Contains(said, "vxmesh: crash report: "+reports[0]+" (no keys") {
		t.Fatalf("%v: %s", reports, said)
	}
	files := unpack(t, reports[0])
	wantNone(t, files, secrets)
	text := files["vxmesh-crash/crash.txt"]
	for _, want := range []string{
		"panic: the device broke, and [left out] was", "brokenDevice).ReadFrame(...)\n\t", "tunnel.(*Node).Run(...)\n\t",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if c := files["vxmesh-crash/config.toml"]; !strings.Contains(c, "vni = 7\n") || !strings.Contains(c, "[left out]") {
		t.Errorf("config: %s", c)
	}
	if !strings.Contains(files["vxmesh-crash/about.json"], `"go": "go1`) {
		t.Errorf("about: %s", files["vxmesh-crash/about.json"])
	}
	wantPackets(t, files["vxmesh-crash/packets.pcapng"])

	_, reports = crashOnce(t, path, cfg) // costs nobody the first one
	if len(reports) != 2 {
		t.Fatalf("%v after another crash", reports)
	}
	wantTold(t, path, cfg, reports[1])
}

// wantPackets wants the frames that the device gave and their datagrams.
func wantPackets(t *testing.T, file string) {
	t.Helper()
	r, err := pcapgo.NewNgReader(strings.NewReader(file), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]int{}
	for {
		_, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[info.InterfaceIndex]++
		if info.CaptureLength >= info.Length {
			t.Errorf("%d of %d bytes are kept", info.CaptureLength, info.Length)
		}
	}
	if seen[0] != 3 || seen[1] != 3 {
		t.Errorf("packets by interface: %v", seen)
	}
}

// wantTold has status and the doctor tell of a crash, the former until there was an end in order.
func wantTold(t *testing.T, path string, cfg *config.Config, report string) {
	t.Helper()
	g := &globals{network: path}
	p := ok[*patient](t)(examine(t.Context(), g, thisSystem()))
	if f := checkCrashes(t.Context(), p); len(f) != 1 || f[0].verdict != verdictWarn || !strings.Contains(f[0].message, "panic: the device broke") ||
		!strings.Contains(f[0].fix, report) {
		t.Errorf("doctor before: %+v", f)
	}
	for _, crashed := range []bool{true, false} {
		d := ok[*daemon](t)(newDaemon(path, "", cfg))
		warned := false
		for _, w := range d.status().Warnings {
			warned = warned || w.Code == "crashed" && strings.Contains(w.Fix, report)
		}
		if warned != crashed {
			t.Errorf("status: %+v", d.status().Warnings)
		}
		d.close()
	}
	if f := checkCrashes(t.Context(), p); len(f) != 1 || !strings.HasPrefix(f[0].message, "2 crash reports") {
		t.Errorf("doctor after: %+v", f)
	}
}

// TestRequestCrashes: a request that panics gets an answer and leaves a report, and the node lives on.
func TestRequestCrashes(t *testing.T) {
	path, cfg, secrets := writeCrashing(t)
	d := ok[*daemon](t)(newDaemon(path, "", cfg))
	defer d.close()
	b := d.backend()
	b.Why = func(string) (control.Why, error) { panic("it broke") }
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- control.Serve(ctx, d.api, b) }()
	c := control.Client{Socket: cfg.Control.Socket}
	_, err := c.Why(t.Context(), "nas")
	reports := crash.List(crashDir(cfg))
	if len(reports) != 1 || err == nil || !strings.Contains(err.Error(), "the node made a mistake; crash report: "+reports[0]) {
		t.Fatalf("%v: %v", reports, err)
	}
	files := unpack(t, reports[0])
	wantNone(t, files, secrets)
	if !strings.Contains(files["vxmesh-crash/crash.txt"], "cmd/vxmesh.TestRequestCrashes.func") {
		t.Errorf("crash.txt: %s", files["vxmesh-crash/crash.txt"])
	}
	if _, err := c.Why(t.Context(), "nas"); err == nil || len(crash.List(crashDir(cfg))) != 1 {
		t.Errorf("another one: %v", err)
	}
	s, err := c.Status(t.Context())
	if err != nil || len(s.Warnings) != 1 || s.Warnings[0].Code != "request_failed" {
		t.Errorf("status: %+v, %v", s.Warnings, err)
	}
	var packets, stacks bytes.Buffer
	err = errors.Join(c.Packets(t.Context(), &packets, false), c.Stacks(t.Context(), &stacks))
	if err != nil || packets.Len() == 0 || !strings.Contains(stacks.String(), "TestRequestCrashes(...)\n\t") {
		t.Errorf("%v: %d bytes of packets, %s", err, packets.Len(), stacks.String())
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
