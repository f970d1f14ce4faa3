package tour

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/topology/explain"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// A teller puts into words what it is shown. It never makes anybody wait for who reads: what it says is
// kept until it is written.
type teller struct {
	all   bool
	woken chan struct{} // holds a token when there is something to write
	ready chan struct{} // closed when the first host has its address, and a way to the second

	mu      sync.Mutex // the rest
	text    strings.Builder
	w       *topology.World
	began   time.Time
	near    bool // frames are explained, and the datagrams that have them
	shown   map[string]int
	hidden  map[explain.Kind]int
	taught  map[explain.Kind]bool
	results []Pinged
	nats    map[string]*natStory

	announced       bool // the first host has its address
	isReady         bool
	reached         control.PeerState
	relayed, direct time.Duration // since when; 0 for not yet
}

func newTeller(all bool) *teller {
	return &teller{
		all: all, woken: make(chan struct{}, 1), ready: make(chan struct{}), shown: make(map[string]int),
		hidden: make(map[explain.Kind]int), taught: make(map[explain.Kind]bool), nats: make(map[string]*natStory),
		reached: control.PeerDown,
	}
}

const picture = `Two machines at home, each behind a NAT, and a relay that both can reach. The three run vxmesh; the
internet between them is in this process's memory (seed %d). Both machines at home have a host in
segment 77, as if they were on one Ethernet cable.

   host1                            relay                            host2
   10.77.0.1 in segment 77                                           10.77.0.2 in segment 77
   192.168.1.10                                                      192.168.2.10
        │                                                                 │
   home1's NAT, 198.51.100.1 ── 192.0.2.1, the internet ── home2's NAT, 198.51.100.2
   lets in answers only                                    lets in answers only
`

const kernelPicture = `
10.77.0.2 is this machine's kernel: a vxlan device in a network namespace of its own. host2 speaks plain
VXLAN with it (RFC 7348), from %s to %s, over real sockets.
`

// begin draws the network.
func (t *teller) begin(w *topology.World, o *Options) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.w, t.began = w, time.Now()
	fmt.Fprintf(&t.text, picture, o.Seed)
	if o.Kernel != nil {
		fmt.Fprintf(&t.text, kernelPicture, o.Kernel.Listen, o.Kernel.Remote)
	}
	t.text.WriteString("\nAt first nothing passes between the two homes directly, so that the relay can be watched.\n\n")
	t.wake()
}

// wake has what was said written. The caller holds mu.
func (t *teller) wake() {
	select {
	case t.woken <- struct{}{}:
	default:
	}
}

// write writes what is said, until ctx ends and all is written.
func (t *teller) write(ctx context.Context, out io.Writer) error {
	for ended := false; !ended; {
		select {
		case <-t.woken:
		case <-ctx.Done():
			ended = true
		}
		t.mu.Lock()
		text := t.text.String()
		t.text.Reset()
		t.mu.Unlock()
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	return nil
}

// say says something, with the time.
func (t *teller) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line(time.Now(), format, args...)
}

// margin is where the text begins, behind the time.
const margin = "          "

// line adds a line, or several, with the time. The caller holds mu.
func (t *teller) line(at time.Time, format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n"+margin)
	fmt.Fprintf(&t.text, "%7.3f   %s\n", at.Sub(t.began).Seconds(), text)
	t.wake()
}

// detail says whether frames are explained from now on.
func (t *teller) detail(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.near = on
}

// beReady looks whether it is time for the first ping. The caller holds mu.
func (t *teller) beReady() {
	if !t.isReady && t.announced && t.reached != control.PeerDown {
		t.isReady = true
		close(t.ready)
	}
}

// frame is shown every frame of the hosts.
func (t *teller) frame(f *topology.Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.w == nil {
		return
	}
	if f.Out && f.Host.Name == Host1 && !t.announced && explain.IsAnnouncement(f.Bytes) {
		t.announced = true
		t.line(f.Time, "▶ %s has asked three times whether anybody has %s already, and takes it (RFC 5227)",
			Host1, f.Host.Addresses()[0].Addr())
		t.beReady()
	}
	if !t.all && !(t.near && isPing(f.Bytes)) {
		return
	}
	verb := "gets"
	if f.Out {
		verb = "sends"
	}
	t.line(f.Time, "%-15s  %s\n%s → %s, %d bytes", f.Host.Name+" "+verb, explain.Frame(f.Bytes),
		f.Bytes.Src(), f.Bytes.Dst(), len(f.Bytes))
}

// plain is shown what host2 and the kernel tell each other.
func (t *teller) plain(p *topology.PlainDatagram) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := p.Frame()
	if t.w == nil || f == nil || !t.all && !(t.near && isPing(f)) {
		return
	}
	who := p.Host.Name + " → kernel"
	if !p.Out {
		who = "kernel → " + p.Host.Name
	}
	t.line(p.Time, "%-15s  plain VXLAN: %s\nUDP %s → %s, %d bytes", who, explain.Frame(f), p.From, p.To, len(p.Bytes))
	if !t.taught[explain.Plain] {
		t.taught[explain.Plain] = true
		t.teach(explain.Plain, p.Bytes)
	}
}

// isPing reports whether a frame belongs to a ping.
func isPing(f ether.Frame) bool { return explain.IsARP(f) || explain.IsEcho(f) }

// journey is shown what became of every datagram.
func (t *teller) journey(j *simnet.Journey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.w == nil {
		return
	}
	t.countNATs(j)
	d, frame := t.w.Explain(j)
	if !t.all && !t.tells(d.Kind, frame, j) {
		t.hidden[d.Kind]++
		return
	}
	what := d.What
	if frame != nil {
		what += ": " + explain.Frame(frame)
	}
	t.line(j.Ended, "%-15s  %s\n%s", t.who(j), what, t.outer(j))
	if !t.taught[d.Kind] {
		t.taught[d.Kind] = true
		t.teach(d.Kind, j.Data)
	}
}

// often is how often a kind is explained before it is only counted.
var often = map[explain.Kind]int{
	explain.Handshake: 4, explain.Carried: 4, explain.STUN: 2, explain.Opener: 1, explain.Call: 4,
	explain.Ping: 2, explain.Probe: 1, explain.Cookie: 2,
}

// tells reports whether a datagram shows something new: it is one of the first of its kind, of those that
// went the same way with the same end.
func (t *teller) tells(k explain.Kind, frame ether.Frame, j *simnet.Journey) bool {
	if frame != nil {
		return t.near && isPing(frame)
	}
	key := fmt.Sprint(k, j.End)
	if from, to := t.w.HostOf(j.From), t.w.HostOf(j.To); from != nil && to != nil {
		key += fmt.Sprint(from.Name == Relay || to.Name == Relay)
	}
	t.shown[key]++
	return t.shown[key] <= often[k]
}

// who is "host1 → relay".
func (t *teller) who(j *simnet.Journey) string {
	from, to := "…", "…"
	if h := t.w.HostOf(j.From); h != nil {
		from = h.Name
	}
	if h := t.w.HostOf(j.To); h != nil {
		to = h.Name
	}
	return from + " → " + to
}

// outer is the addresses of a datagram, its length, and where it ended if it did not arrive.
func (t *teller) outer(j *simnet.Journey) string {
	first := j.Hops[0]
	text := fmt.Sprintf("UDP %s → %s, %d bytes", first.From, first.To, len(j.Data))
	for _, hop := range j.Hops[1:] {
		text += fmt.Sprintf("\n%s's NAT makes it %s → %s", t.w.SiteOf(hop.NAT), hop.From, hop.To)
	}
	switch d, _ := t.w.Explain(j); {
	case j.End == simnet.Refused && j.By != nil:
		text += fmt.Sprintf("\n✗ %s's NAT does not let it in: from inside nothing was sent to there", t.w.SiteOf(j.By))
	case j.End == simnet.Expired && d.Kind == explain.Opener:
		text += "\nits TTL ends on the way, as it should"
	case j.End != simnet.Arrived:
		text += "\n✗ " + j.End.String()
	}
	return text
}

// teach says what is worth knowing about a kind.
func (t *teller) teach(k explain.Kind, datagram []byte) {
	lines := explain.Lesson(k)
	if h := explain.Header(datagram); h != "" {
		lines = append([]string{h}, lines...)
	}
	for _, l := range lines {
		t.text.WriteString(margin + "│ " + l + "\n")
	}
}
