package main

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/proxy"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// TestNC: what is sent comes back, by TCP and UDP, and refusals are told as anywhere.
func TestNC(t *testing.T) {
	socket := controltest.New().Serve(t)
	for _, args := range []string{"nas 7", "-u -w 100ms nas 7", "-l 7000", "-l 10.42.0.11 7000"} {
		r := vxmeshReading(t, "what is sent", append(strings.Fields("nc "+args), "--socket", socket)...)
		if r.code != exitOK || r.out != "what is sent" || r.errOut != "" {
			t.Errorf("nc %s: %+v", args, r)
		}
	}
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"10.42.0.8 22":     {exitNotFound, "there is no host 10.42.0.8"},
		"nas":              {exitUsage, "a host and a port"},
		"nas ssh":          {exitUsage, `a port is a number from 1 to 65535, not "ssh"`},
		"nas 22 -w -1s":    {exitUsage, "--timeout is at most 1h"},
		"nas 22 --liste":   {exitUsage, "did you mean --listen?"},
		"nas 22 --vni 1e9": {exitUsage, "invalid argument"},
	} {
		r := vxmesh(t, append(strings.Fields("nc "+args), "--socket", socket)...)
		if r.code != want.code || r.out != "" || !strings.Contains(r.errOut, want.says) {
			t.Errorf("nc %s: %+v", args, r)
		}
	}
}

// TestNCLarge: more than any buffer holds, and both ends pass.
func TestNCLarge(t *testing.T) {
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	r := vxmeshReading(t, string(sent), "nc", "nas", "7", "--socket", controltest.New().Serve(t))
	if r.code != exitOK || r.out != string(sent) {
		t.Errorf("code %d, %d bytes of %d: %s", r.code, len(r.out), len(sent), r.errOut)
	}
}

func TestPingOverlay(t *testing.T) {
	socket := controltest.New().Serve(t)
	r := vxmesh(t, "ping", "--overlay", "nas", "-c", "2", "-i", "10ms", "--socket", socket)
	want := "nas (10.42.0.5): echo 1, 2.50ms\nnas (10.42.0.5): echo 2, 2.50ms\n\n" +
		"nas: 2 echoes sent, 2 came back, 0% lost\nround trip min/avg/max 2.50ms/2.50ms/2.50ms\n"
	if r.code != exitOK || r.out != want {
		t.Errorf("%+v", r)
	}
	r = vxmesh(t, "ping", "--overlay", "nas", "-c", "1", "--json", "--socket", socket)
	r.wantCode(t, exitOK)
	validate(t, "ping_summary", r.out)
	r = vxmesh(t, "ping", "--overlay", "10.42.0.9", "-c", "1", "-W", "10ms", "--socket", socket)
	if r.code != exitTimeout || !strings.Contains(r.out, "100% lost\n  see who has been heard   vxmesh fdb") {
		t.Errorf("lost: %+v", r)
	}
	for args, says := range map[string]string{
		"--overlay nas --mtu": "--overlay goes with neither", "nas --vni 7": "--vni goes with --overlay",
	} {
		if r := vxmesh(t, append(strings.Fields("ping "+args), "--socket", socket)...); r.code != exitUsage ||
			!strings.Contains(r.errOut, says) {
			t.Errorf("ping %s: %+v", args, r)
		}
	}
}

// TestPickOverlay: the segment is the one that is named, else the only one with a userspace device, else
// the one that the host is in.
func TestPickOverlay(t *testing.T) {
	segment := func(vni uint32, kind, addr string) control.SegmentStatus {
		return control.SegmentStatus{VNI: vni, Device: control.Device{Name: "vxm0", Kind: kind, Addresses: []string{addr}}}
	}
	tap, none := segment(1, "tap", "10.1.0.1/24"), segment(2, "none", "")
	three, four := segment(3, "userspace", "10.3.0.1/24"), segment(4, "userspace", "10.4.0.1/24")
	for _, c := range []struct {
		segments []control.SegmentStatus
		vni      uint32
		host     string
		want     uint32
		says     string
	}{
		{[]control.SegmentStatus{tap, three}, 0, "192.0.2.1", 3, ""},
		{[]control.SegmentStatus{three, four}, 0, "10.4.0.9", 4, ""},
		{[]control.SegmentStatus{three, four}, 0, "nas", 3, ""},
		{[]control.SegmentStatus{three, four}, 4, "10.3.0.9", 4, ""},
		{[]control.SegmentStatus{three, four}, 0, "192.0.2.1", 0, "there are 2 segments that 192.0.2.1 could be in"},
		{[]control.SegmentStatus{three, four}, 5, "nas", 0, "no segment with vni 5"},
		{[]control.SegmentStatus{tap}, 0, "10.1.0.9", 0, "vni 1 has vxm0, a device of the system"},
		{[]control.SegmentStatus{tap, none, three}, 2, "nas", 0, "vni 2 has no device"},
		{[]control.SegmentStatus{tap, none, three}, 1, "nas", 0, "vni 1 has vxm0"},
		{nil, 0, "nas", 0, "no segment with vni 0"},
	} {
		got, err := pickOverlay(c.segments, c.vni, c.host, func(vni uint32) bool { return c.host == "nas" && vni == 3 })
		if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("vni %d, %s: %d, %v, want %d, %q", c.vni, c.host, got, err, c.want, c.says)
		}
	}
}

// TestServices: what a config says is what is offered, of devices in userspace alone.
func TestServices(t *testing.T) {
	u := &config.Userspace{
		SOCKS: "127.0.0.1:1080", Forward: []config.Forward{{Network: "udp", Listen: "[::1]:53", To: "nas:53"}},
		Publish: []config.Publish{{Network: "tcp", Port: 22, To: "127.0.0.1:2222"}},
	}
	got := services(&config.Config{Segments: []config.Segment{
		{VNI: 1, Device: config.Device{Kind: config.KindTAP}, Userspace: u},
		{VNI: 2, Device: config.Device{Kind: config.KindUserspace}},
		{VNI: 3, Device: config.Device{Kind: config.KindUserspace}, Userspace: u},
	}})
	want := []proxy.Service{
		{VNI: 3, Kind: proxy.SOCKS, Network: "tcp", Listen: "127.0.0.1:1080"},
		{VNI: 3, Kind: proxy.Forward, Network: "udp", Listen: "[::1]:53", To: "nas:53"},
		{VNI: 3, Kind: proxy.Publish, Network: "tcp", Listen: ":22", To: "127.0.0.1:2222"},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}

// TestProxyPortTaken: who cannot listen says who might have the port.
func TestProxyPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	d := &daemon{proxies: proxy.New(proxy.Options{Stack: func(uint32) proxy.Stack { return nil }})}
	_, err = d.prepareProxies(&config.Config{Segments: []config.Segment{{
		VNI: 3, Device: config.Device{Kind: config.KindUserspace},
		Userspace: &config.Userspace{SOCKS: config.HostPort(l.Addr().String())},
	}}})
	if e, ok := errors.AsType[*control.Error](err); !ok || e.Code != control.CodeConflict || len(e.Fix) != 2 ||
		!strings.Contains(e.Message, "vni 3: socks: listen on tcp "+l.Addr().String()) {
		t.Errorf("%+v (%v is not it)", err, syscall.EADDRINUSE)
	}
}
