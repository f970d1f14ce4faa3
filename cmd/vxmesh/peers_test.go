package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

func TestPeersText(t *testing.T) {
	got := peersText(controltest.Peers(), controltest.Start.Add(5*time.Minute))
	const want = `
PEER    STATE   FOR    PATH  REMOTE            RTT     LOSS  MTU   CIPHER       RX        TX       SEEN   REASON
nas     direct  3m30s  udp4  192.0.2.20:42420  0.40ms  0.0%  1500  aes-256-gcm  412.0 MB  38.0 MB  1m00s  -
office  down    5m00s  -     -                 -       -     -     -            0 B       0 B      -      no_answer
`
	if diff := cmp.Diff(want[1:], got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	r := vxmesh(t, "peers", "--socket", controltest.New().Serve(t))
	if r.code != exitOK || !strings.HasPrefix(r.out, "PEER    STATE") || strings.Count(r.out, "\n") != 3 {
		t.Errorf("%+v", r)
	}
}

func TestPeersRelayed(t *testing.T) {
	p := control.Peer{Name: "lab", State: control.PeerRelayed, Path: &control.Path{
		Kind: "relay", Remote: "192.0.2.9:1", Via: "vps", RTTSeconds: 0.041, LossRatio: 0.0031,
	}}
	const want = `
PEER  STATE    PATH   REMOTE   RTT     LOSS  SEEN  REASON
lab   relayed  relay  via vps  41.0ms  0.3%  -     -
`
	if diff := cmp.Diff(want[1:], peerTable([]control.Peer{p}, nil, controltest.Start)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestWhyText(t *testing.T) {
	socket := controltest.New().Serve(t)
	vxmesh(t, "why", "office", "--socket", socket).want(t, exitOK, `
office is down: nobody answers at 203.0.113.9:42420.

ADDRESS            KNOWN   STATE      RTT  LAST TRY
203.0.113.9:42420  static  no answer  -    no answer, 12 tries

What may help:
  1. start vxmesh there
  2. let UDP port 42420 through to it
`)
	vxmesh(t, "why", "nas", "--socket", socket).want(t, exitOK, `
nas is reached directly at 192.0.2.20:42420.

ADDRESS            KNOWN    STATE      RTT     LAST TRY
192.0.2.20:42420   learned  in use     0.40ms  answered
203.0.113.9:42420  static   no answer  -       no answer, 12 tries
`)
}

func TestUnknownPeer(t *testing.T) {
	socket := controltest.New().Serve(t)
	for args, want := range map[string]string{
		"why nsa":          `vxmesh: there is no peer "nsa"; did you mean "nas"?`,
		"ping ofice":       `vxmesh: there is no peer "ofice"; did you mean "office"?`,
		"ping ofice -c 1":  `vxmesh: there is no peer "ofice"; did you mean "office"?`,
		"why zzz":          `vxmesh: there is no peer "zzz"`,
		"ping zzz --count": `vxmesh: flag needs an argument: --count`,
	} {
		r := vxmesh(t, append([]string{"--socket", socket}, strings.Fields(args)...)...)
		code := exitNotFound
		if strings.Contains(want, "flag") {
			code = exitUsage
		}
		first, _, _ := strings.Cut(r.errOut, "\n")
		if r.code != code || first != want || r.out != "" {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

func TestPingText(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	r := vxmesh(t, "ping", "nas", "-c", "2", "-i", "10ms", "-s", "1400", "-W", "2s", "--socket", socket)
	r.want(t, exitOK, `
nas (192.0.2.20:42420): echo 1, 0.40ms
nas (192.0.2.20:42420): echo 2, 0.40ms

nas: 2 echoes sent, 2 came back, 0% lost
round trip min/avg/max 0.40ms/0.40ms/0.40ms, path MTU 1500
`)
	ask := control.PingRequest{Peer: "nas", Size: 1400, TimeoutSeconds: 2}
	if diff := cmp.Diff([]any{ask, ask}, n.Requests()); diff != "" {
		t.Errorf("what the node was asked (-want +got):\n%s", diff)
	}
}

func TestPingNothingCameBack(t *testing.T) {
	socket := controltest.New().Serve(t)
	args := []string{"ping", "office", "-c", "2", "-i", "10ms", "-W", "10ms", "--socket", socket}
	r := vxmesh(t, args...)
	r.want(t, exitTimeout, `
echo 1: no answer from office within 10ms
echo 2: no answer from office within 10ms

office: 2 echoes sent, 0 came back, 100% lost
  vxmesh why office
`)
	if r.errOut != "" {
		t.Errorf("%+v", r)
	}
	r = vxmesh(t, append(args, "--json")...)
	var sum pingSummary
	err := json.Unmarshal([]byte(r.out), &sum)
	want := pingSummary{
		Schema: "vxmesh.ping_summary/1", Peer: "office", Sent: 2, LossRatio: 1,
	}
	if err != nil || sum != want || r.code != exitTimeout {
		t.Errorf("%v: %+v", err, r)
	}
}

// TestPingUntilInterrupted ends a ping that has no count.
func TestPingUntilInterrupted(t *testing.T) {
	socket := controltest.New().Serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := cancelAfter{n: 3, cancel: cancel}
	args := []string{"ping", "nas", "-i", "10ms", "--socket", socket}
	if code := new(globals).run(ctx, args, nil, &lines, &lines); code != exitOK {
		t.Errorf("exit code %d: %s", code, lines.String())
	}
	if got := lines.String(); !strings.Contains(got, "\nnas: 3 echoes sent, 3 came back, 0% lost\n") {
		t.Errorf("output %s", got)
	}
	// One that was under way does not count as lost.
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := vxmeshUntil(ctx, "ping", "office", "-W", "10s", "--socket", socket)
	if r.code != exitFailed || !strings.Contains(r.out, "office: 0 echoes sent, 0 came back") {
		t.Errorf("%+v", r)
	}
}

func TestPingSummary(t *testing.T) {
	var s pingSummary
	for _, rtt := range []float64{0.02, 0.01, 0.06} {
		s.add(control.PingReply{Remote: "192.0.2.20:1", RTTSeconds: rtt})
	}
	s.Sent = 4
	s.LossRatio = 0.25
	const want = "\n: 4 echoes sent, 3 came back, 25% lost\n" +
		"round trip min/avg/max 10.0ms/30.0ms/60.0ms\n"
	if got := new(pinger).text(s); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPingNodeLeaves ends when nobody is there to ask.
func TestPingNodeLeaves(t *testing.T) {
	n := controltest.New()
	l, err := control.Listen(t.TempDir()+"/home.sock", "")
	if err != nil {
		t.Fatal(err)
	}
	stop := controltest.Run(t, l, n.Backend(), control.Serve)
	out := cancelAfter{n: 1000, onLine: stop}
	var errOut bytes.Buffer
	args := []string{"ping", "nas", "-i", "10ms", "--socket", l.Addr().String()}
	code := new(globals).run(t.Context(), args, nil, &out, &errOut)
	if code != exitNoNode || !strings.Contains(errOut.String(), "no node answers") {
		t.Errorf("exit code %d: %s%s", code, out.String(), errOut.String())
	}
}
