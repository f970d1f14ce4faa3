package screen

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// A peersPage lists the other machines of the network, and shows one of them in detail.
type peersPage struct {
	list   list[*mirror.Peer]
	detail peerDetail
	follow string // the new name of a peer that was renamed: the cursor goes there

	macs    map[string]*macs // by peer
	counted struct {         // what they were counted of
		net        *mirror.Mirror
		generation uint64
	}
}

// The macs of a peer are the addresses that are known to be behind it.
type macs struct {
	n     int
	vlans []uint16
}

func newPeers() *peersPage {
	p := &peersPage{}
	p.list = list[*mirror.Peer]{
		fields: p.fields(),
		id:     func(v *mirror.Peer) string { return v.Name },
		record: func(u *UI, v *mirror.Peer) view.Record { return peerRecord{v, p.behind(v), u.Look.Bytes} },
		keys:   peerKeys,
		sort:   nameColumn,
	}
	return p
}

// count counts the addresses of all peers, once for every state of the FDB.
func (p *peersPage) count(u *UI) {
	if p.counted.net == u.Net && p.counted.generation == u.Net.FDBGeneration {
		return
	}
	p.counted.net, p.counted.generation = u.Net, u.Net.FDBGeneration
	p.macs = make(map[string]*macs, len(u.Net.Peers))
	for a, e := range u.Net.FDB {
		if e.Port.Kind != control.PortPeer {
			continue
		}
		m := p.macs[e.Port.Name]
		if m == nil {
			m = &macs{}
			p.macs[e.Port.Name] = m
		}
		m.n++
		if !slices.Contains(m.vlans, a.VLAN) {
			m.vlans = append(m.vlans, a.VLAN)
		}
	}
	for _, m := range p.macs {
		slices.Sort(m.vlans)
	}
}

// behind is what is known to be behind a peer.
func (p *peersPage) behind(v *mirror.Peer) macs {
	if m := p.macs[v.Name]; m != nil {
		return *m
	}
	return macs{}
}

// refresh takes in the peers there are now.
func (p *peersPage) refresh(u *UI) {
	p.count(u)
	if p.follow != "" && u.Net.Peer(p.follow) != nil {
		p.list.cursor, p.follow = p.follow, ""
	}
	p.list.update(u, u.Net.Peers)
}

// showPeer opens the details of a peer.
func (p *peersPage) showPeer(u *UI, name string) {
	p.list.cursor = name
	p.refresh(u)
	if p.list.find(name) < 0 && u.Net.Peer(name) != nil {
		p.list.setFilter("")
		p.list.cursor = name
	}
	p.detail.open = true
}

// selected is the peer under the cursor.
func (p *peersPage) selected(u *UI) (*mirror.Peer, bool) {
	p.refresh(u)
	return p.list.selected()
}

func (p *peersPage) draw(u *UI, a view.Area) {
	p.refresh(u)
	w, h := a.Size()
	switch {
	case p.detail.open && (p.detail.zoom || u.compact()):
		p.drawDetail(u, a)
	case u.compact():
		p.drawRows(u, a)
	case !p.detail.open:
		p.drawList(u, a)
	case w >= 140:
		first, second := a.SplitLeft(w - min(max(w-118, 60), 99))
		p.drawList(u, first)
		p.drawDetail(u, second)
	default:
		first, second := a.SplitTop(min(max(p.list.total+4, 6), h*2/5+1))
		p.drawList(u, first)
		p.drawDetail(u, second)
	}
}

func (p *peersPage) drawList(u *UI, a view.Area) {
	right := p.list.sorting()
	if w, _ := a.Size(); w >= 100 {
		right += "   filter " + choice(p.list.filter.empty(), "none", view.Truncate(p.list.filter.text(), 30))
	}
	p.drawRows(u, view.Box(a, view.BoxOptions{Title: p.list.title("Peers"), Right: right}))
}

func (p *peersPage) drawRows(u *UI, a view.Area) {
	p.list.fields[stateColumn].Column = stateWide
	if u.compact() {
		p.list.fields[stateColumn].Column = stateNarrow
	}
	p.list.draw(u, a)
}

func (p *peersPage) deep(u *UI) bool { return p.detail.open && (p.detail.zoom || u.compact()) }

func (p *peersPage) typing() bool { return p.list.filter.open }

func (p *peersPage) paste(_ *UI, text string) { p.list.paste(text) }

func (p *peersPage) badge(u *UI) string {
	if !u.Net.Known {
		return ""
	}
	return strconv.Itoa(len(u.Net.Peers))
}

func (p *peersPage) key(_ *UI, k Key) (Effect, bool) {
	return nil, !p.typing() && p.detail.key(k) || p.list.key(k)
}

func (p *peersPage) click(u *UI, c Click) Effect {
	if c.Zone == any(&p.detail) {
		return p.detail.scroll(3 * c.Wheel)(u)
	}
	_, open := p.list.click(c)
	p.detail.open = p.detail.open || open
	return nil
}

// copies are what y offers.
func (p *peersPage) copies(u *UI) []menuItem {
	v, ok := p.selected(u)
	if !ok {
		return nil
	}
	return []menuItem{
		copied("n", "name", v.Name), copied("i", "id", v.ID), copied("e", "endpoint", peerEndpoint(v)),
		copied("c", "command", "vxmesh peer show "+quoted(v.Name)), copied("j", "JSON", jsonOf(v.Peer)),
	}
}

// export gives the rows that are shown, in units without prefix.
func (p *peersPage) export(u *UI) (string, [][]string) {
	p.refresh(u)
	rows := [][]string{{
		"name", "id", "state", "reason", "path", "remote", "via", "rtt_seconds", "loss_ratio",
		"rx_bytes_per_second", "tx_bytes_per_second", "rx_bytes", "tx_bytes",
		"rx_frames", "tx_frames", "macs", "last_seen",
	}}
	number := func(v float64) string {
		if math.IsNaN(v) {
			return ""
		}
		return fmt.Sprint(v)
	}
	for _, v := range p.list.rows {
		seen, remote := "", ""
		if !v.LastSeen.IsZero() {
			seen = v.LastSeen.UTC().Format(time.RFC3339)
		}
		if w := peerPath(v); w != nil {
			remote = w.Remote
		}
		rows = append(rows, []string{
			v.Name, v.ID, v.State.String(), v.Reason, peerKind(v), remote, peerVia(v), number(peerRTT(v)),
			number(peerLoss(v)), number(peerRx(v)), number(peerTx(v)), fmt.Sprint(v.RxBytes), fmt.Sprint(v.TxBytes),
			fmt.Sprint(v.RxFrames), fmt.Sprint(v.TxFrames), strconv.Itoa(p.behind(v).n), seen,
		})
	}
	return "peers", rows
}
