package screen

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// The columns of the list; those of the lowest priority go first where there is no room.
const (
	stateColumn = 0
	nameColumn  = 1
	sparkSteps  = 12 // of five seconds: a minute
	sparkWidth  = 10
	sparkFloor  = 125e3 // bytes a second: what is less than this never looks like much
)

var (
	stateWide   = view.Column{Title: "STATE", Min: 10}
	stateNarrow = view.Column{Min: 1, Max: 1}
)

func (p *peersPage) fields() []field[*mirror.Peer] {
	type column = view.Column
	number := func(f func(*mirror.Peer) float64) func(a, b *mirror.Peer) int {
		return func(a, b *mirror.Peer) int { return compareNumbers(f(a), f(b)) }
	}
	text := func(f func(*mirror.Peer) string) func(a, b *mirror.Peer) int {
		return func(a, b *mirror.Peer) int { return cmp.Compare(f(a), f(b)) }
	}
	state := func(v *mirror.Peer) float64 { return float64(v.State) }
	name := func(v *mirror.Peer) string { return v.Name }
	count := func(v *mirror.Peer) float64 { return float64(p.behind(v).n) }
	latest := func(a, b *mirror.Peer) int { return b.LastSeen.Compare(a.LastSeen) }
	nameIs := column{Title: "NAME", Min: 10, Max: 40, Middle: true}
	endpointIs := column{Title: "ENDPOINT", Min: 15, Max: 47, Flex: true, Priority: 3}
	right := func(title string, least, priority int) column {
		return column{Title: title, Min: least, Right: true, Priority: priority}
	}
	return []field[*mirror.Peer]{
		{stateWide, "state", number(state), stateCell},
		{nameIs, "name", text(name), nameCell},
		{column{Title: "PATH", Min: 5, Priority: 5}, "path", text(peerKind), textCell(peerKind)},
		{endpointIs, "endpoint", text(peerEndpoint), textCell(peerEndpoint)},
		{right("RTT", 8, 9), "rtt", number(peerRTT), rttCell},
		{right("LOSS", 6, 6), "loss", number(peerLoss), lossCell},
		{right("↓ RX", 8, 8), "rx", number(peerRx), rateCell(peerRx)},
		{right("↑ TX", 8, 7), "tx", number(peerTx), rateCell(peerTx)},
		{column{Title: "60 s", Min: sparkWidth, Max: sparkWidth, Priority: 2}, "", nil, sparkCell},
		{right("MAC", 4, 4), "macs", number(count), p.macsCell},
		{right("SEEN", 4, 1), "seen", latest, seenCell},
	}
}

// compareNumbers puts what is not known last.
func compareNumbers(a, b float64) int {
	switch {
	case math.IsNaN(a) && math.IsNaN(b):
		return 0
	case math.IsNaN(a):
		return 1
	case math.IsNaN(b):
		return -1
	}
	return cmp.Compare(a, b)
}

// peerPath is the way to a peer that is in use, nil if there is none.
func peerPath(v *mirror.Peer) *control.Path {
	if !v.Reachable() {
		return nil
	}
	return v.Path
}

func peerKind(v *mirror.Peer) string {
	if w := peerPath(v); w != nil {
		return w.Kind
	}
	return ""
}

func peerVia(v *mirror.Peer) string {
	if w := peerPath(v); w != nil {
		return w.Via
	}
	return ""
}

func peerEndpoint(v *mirror.Peer) string {
	switch w := peerPath(v); {
	case w == nil:
		return ""
	case w.Via != "":
		return "via " + w.Via
	default:
		return w.Remote
	}
}

// peerRTT is in seconds, NaN when it is not known.
func peerRTT(v *mirror.Peer) float64 {
	if w := peerPath(v); w != nil && w.RTTSeconds > 0 {
		return w.RTTSeconds
	}
	return math.NaN()
}

// peerLoss is 0 to 1, NaN when there is no path.
func peerLoss(v *mirror.Peer) float64 {
	if w := peerPath(v); w != nil {
		return w.LossRatio
	}
	return math.NaN()
}

// peerRx and peerTx are bytes a second, NaN without a way to the peer.
func peerRx(v *mirror.Peer) float64 { return carried(v, v.Rx) }
func peerTx(v *mirror.Peer) float64 { return carried(v, v.Tx) }

func carried(v *mirror.Peer, rate float64) float64 {
	if peerPath(v) == nil {
		return math.NaN()
	}
	return rate
}

// orNone is a text, and a dash for none.
func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func textCell(f func(*mirror.Peer) string) func(*UI, *mirror.Peer) view.Cell {
	return func(_ *UI, v *mirror.Peer) view.Cell { return view.Cell{Text: orNone(f(v)), Role: view.Text} }
}

// stateCell is the shape alone where there is room for nothing else.
func stateCell(u *UI, v *mirror.Peer) view.Cell {
	text := mark(v.State)
	if !u.compact() {
		text += " " + v.State.String()
	}
	return view.Cell{Text: text, Role: roleOf(v.State)}
}

func nameCell(_ *UI, v *mirror.Peer) view.Cell {
	role := view.Text
	if v.State == mirror.Down || v.State == mirror.Paused {
		role = view.Dim
	}
	return view.Cell{Text: v.Name, Role: role}
}

func rttCell(_ *UI, v *mirror.Peer) view.Cell {
	return view.Cell{Text: view.Millis(peerRTT(v)), Role: warned(v, "rtt")}
}

func lossCell(_ *UI, v *mirror.Peer) view.Cell {
	return view.Cell{Text: view.Percent(peerLoss(v)), Role: warned(v, "loss")}
}

// warned is the role of a number that may be what is wrong with a peer.
func warned(v *mirror.Peer, cause string) view.Role {
	if v.State == mirror.Degraded && v.Cause == cause {
		return view.Warn
	}
	return view.Text
}

func rateCell(f func(*mirror.Peer) float64) func(*UI, *mirror.Peer) view.Cell {
	return func(u *UI, v *mirror.Peer) view.Cell {
		return view.Cell{Text: view.ShortRate(f(v), u.Look.Bytes), Role: view.Text}
	}
}

// sparkCell is the last minute, as high as the last ten let it be.
func sparkCell(_ *UI, v *mirror.Peer) view.Cell {
	n := min(len(v.RxPast), len(v.TxPast))
	sum, top := make([]float64, n), sparkFloor
	for i := range n {
		sum[i] = v.RxPast[len(v.RxPast)-n+i] + v.TxPast[len(v.TxPast)-n+i]
		top = max(top, sum[i])
	}
	return view.Cell{Text: view.Spark(sum[max(0, n-sparkSteps):], sparkWidth, top), Role: view.Chart1}
}

func (p *peersPage) macsCell(u *UI, v *mirror.Peer) view.Cell {
	text := "-"
	if u.Net.FDBKnown {
		text = strconv.Itoa(p.behind(v).n)
	}
	return view.Cell{Text: text, Role: view.Text}
}

func seenCell(u *UI, v *mirror.Peer) view.Cell {
	text := "-"
	if !v.LastSeen.IsZero() {
		text = view.ShortAge(u.Now.Sub(v.LastSeen))
	}
	return view.Cell{Text: text, Role: view.Dim}
}

// peerKeys are what filters may name.
var peerKeys = []string{
	"name", "state", "path", "kind", "via", "endpoint", "reason", "rtt", "loss", "rx", "tx", "macs", "id",
}

// A peerRecord is a peer as filters see it: rtt in ms, loss in %, rx and tx in the units that are shown.
type peerRecord struct {
	*mirror.Peer
	macs  macs
	bytes bool
}

// Text implements [view.Record].
func (r peerRecord) Text() string {
	return strings.Join([]string{
		r.Name, r.State.String(), peerKind(r.Peer), peerEndpoint(r.Peer), mirror.Words(r.Cause),
		mirror.Words(r.Reason), r.ID,
	}, "\n")
}

// Field implements [view.Record].
func (r peerRecord) Field(key string) (text string, number float64, ok bool) {
	unit := 8.0
	if r.bytes {
		unit = 1
	}
	switch key {
	case "rtt":
		number = peerRTT(r.Peer) * 1000
	case "loss":
		number = peerLoss(r.Peer) * 100
	case "rx":
		number = peerRx(r.Peer) * unit
	case "tx":
		number = peerTx(r.Peer) * unit
	case "macs":
		number = float64(r.macs.n)
	default:
		text, ok = r.word(key)
		return text, math.NaN(), ok
	}
	return fmt.Sprint(number), number, true
}

func (r peerRecord) word(key string) (string, bool) {
	switch key {
	case "name":
		return r.Name, true
	case "state":
		return r.State.String(), true
	case "path", "kind":
		return peerKind(r.Peer), true
	case "via":
		return peerVia(r.Peer), true
	case "endpoint":
		return peerEndpoint(r.Peer), true
	case "reason":
		return r.Reason + " " + mirror.Words(r.Reason) + " " + r.Cause, true
	case "id":
		return r.ID, true
	}
	return "", false
}
