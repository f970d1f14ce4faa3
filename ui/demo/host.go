package demo

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// A host is a machine in the segment.
type host struct {
	mac    ether.MAC
	vlan   uint16
	salt   uint64
	chatty float64 // how likely it says something in a second
	at     *peer   // behind whom it is; nil: behind this node's device

	// It is awake for so many steps of each period, from one on; always when there is no period.
	from, awake, period int
	visits              []visit // where else it is at times
	round               int     // the steps after which its visits begin again
}

// A visit is a time that a host spends behind another node.
type visit struct {
	from, to int
	at       *peer
}

// An entry is one of the FDB.
type entry struct {
	vlan  uint16
	mac   ether.MAC
	at    *peer // nil: the device
	kind  control.EntryKind
	seen  int // the step of its last frame
	moves uint64
}

// ageing is after how many steps of silence an entry is forgotten.
const ageing = int(5 * time.Minute / second)

func (h *host) listening(step int) bool {
	if h.period == 0 {
		return true
	}
	_, rest := divide(step-h.from, h.period)
	return rest < h.awake
}

func (h *host) place(step int) *peer {
	if h.round > 0 {
		_, rest := divide(step, h.round)
		for _, v := range h.visits {
			if rest >= v.from && rest < v.to {
				return v.at
			}
		}
	}
	return h.at
}

// talk has a host say something, or not.
func (n *Network) talk(h *host) {
	if !h.listening(n.step) || n.noise(h.salt, n.step) >= h.chatty {
		return
	}
	at := h.place(n.step)
	if at != nil && !at.reachable() {
		return
	}
	i, found := n.entry(h.vlan, h.mac)
	if !found {
		e := &entry{vlan: h.vlan, mac: h.mac, at: at, kind: control.EntryLearned, seen: n.step}
		n.entries = slices.Insert(n.entries, i, e)
		n.extra.learned++
		n.tellEntry(control.EventFDBLearned, e, nil)
		return
	}
	e := n.entries[i]
	switch was := e.at; {
	case was == at:
		e.seen = n.step
	case e.kind != control.EntryLearned:
		n.extra.drops[drop.StaticConflict.String()]++
	default:
		e.at, e.seen = at, n.step
		e.moves++
		n.extra.moved++
		from := portOf(was)
		n.tellEntry(control.EventFDBMoved, e, &from)
	}
}

// age forgets what has been silent for long.
func (n *Network) age() {
	before := len(n.entries)
	n.entries = slices.DeleteFunc(n.entries, func(e *entry) bool {
		return e.kind == control.EntryLearned && n.step-e.seen >= ageing
	})
	if aged := uint64(before - len(n.entries)); aged > 0 {
		n.extra.aged += aged
		n.tell(control.Event{Type: control.EventFDBAged, VNI: vni, Count: aged})
	}
}

// entry finds where the entry of an address is, or would be.
func (n *Network) entry(vlan uint16, mac ether.MAC) (int, bool) {
	return slices.BinarySearchFunc(n.entries, uint64(vlan)<<48|mac.Uint64(), func(e *entry, key uint64) int {
		return cmp.Compare(uint64(e.vlan)<<48|e.mac.Uint64(), key)
	})
}

// putEntry adds an entry, or puts it in the place of another.
func (n *Network) putEntry(e *entry) {
	i, found := n.entry(e.vlan, e.mac)
	if !found {
		n.entries = slices.Insert(n.entries, i, e)
		return
	}
	if e.moves = n.entries[i].moves; n.entries[i].at != e.at {
		e.moves++
		n.extra.moved++
	}
	n.entries[i] = e
}

func (n *Network) tellEntry(t control.EventType, e *entry, from *control.FDBPort) {
	st := n.fdbEntry(e)
	n.tell(control.Event{Type: t, VNI: vni, Entry: &st, From: from})
}

// fdbEntry is an entry as clients see it.
func (n *Network) fdbEntry(e *entry) control.FDBEntry {
	out := control.FDBEntry{
		VNI: vni, VLAN: e.vlan, MAC: e.mac, Port: portOf(e.at), Kind: e.kind, Moves: e.moves,
	}
	if e.kind == control.EntryLearned {
		out.AgeSeconds = rounded(float64(n.step-e.seen)+n.since(), 1e3)
	}
	return out
}

func portOf(p *peer) control.FDBPort {
	if p == nil {
		return control.FDBPort{Kind: control.PortDevice, Name: device}
	}
	return control.FDBPort{Kind: control.PortPeer, Name: p.name}
}

// addHosts reads the machines of the network.
func (n *Network) addHosts() {
	for line := range strings.Lines(machines) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		h := n.addHost(f[0], f[1], f[2])
		if len(f) > 3 {
			h.from, h.awake, h.period = number(f[3]), number(f[4]), number(f[5])
		}
	}
	server, camera, phone := n.host("52:54:00:9c:11:02"), n.host("52:54:00:9c:11:03"), n.host("f0:18:98:5a:b0:0c")
	lab, _ := n.find("lab-rack")
	nas, _ := n.find("nas")
	// A virtual machine migrates and comes back, a phone roams, and once in a quarter of an hour an
	// address jumps to and fro as with a loop.
	server.round, server.visits = 600, []visit{{150, 420, lab}}
	phone.round, phone.visits = 1400, []visit{{75, 190, nas}}
	camera.round, camera.visits = 900, []visit{{480, 488, lab}, {496, 504, lab}}
	for _, mac := range []string{"52:54:00:1a:22:01", "00:11:32:7c:10:5e"} {
		h := n.host(mac)
		n.putEntry(&entry{vlan: h.vlan, mac: h.mac, at: h.at, kind: control.EntryStatic})
	}
}

// addHost adds one that says something every few seconds.
func (n *Network) addHost(mac, vlan, at string) *host {
	h := &host{vlan: uint16(number(vlan)), salt: saltOf(mac)}
	h.mac, _ = ether.ParseMAC(mac)
	h.at, _ = n.find(at)
	h.chatty = 0.04 + 0.4*n.noise(h.salt+1, 0)
	if strings.HasPrefix(mac, "52:54:00") {
		h.chatty = 0.7
	}
	n.hosts = append(n.hosts, h)
	return h
}

func (n *Network) host(mac string) *host {
	for _, h := range n.hosts {
		if h.mac.String() == mac {
			return h
		}
	}
	return nil
}

func number(s string) (v int) {
	neg := strings.HasPrefix(s, "-")
	for _, c := range strings.TrimPrefix(s, "-") {
		v = 10*v + int(c-'0')
	}
	if neg {
		return -v
	}
	return v
}
