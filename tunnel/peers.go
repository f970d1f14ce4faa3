package tunnel

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Peers lists the other nodes. Anybody may call it at any time.
func (n *Node) Peers() control.Peers {
	n.mesh.mu.Lock()
	defer n.mesh.mu.Unlock()
	var out control.Peers
	for _, p := range n.mesh.peers {
		out.Peers = append(out.Peers, n.mesh.status(p))
	}
	return out
}

// addStatus adds what the mesh knows to a status.
func (m *mesh) addStatus(st *control.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sockets) > 0 {
		st.Node.ID = hex.EncodeToString(m.n.options.Mesh.ID[:])
	}
	for _, s := range m.sockets {
		st.Listen = append(st.Listen, s.name())
	}
	for _, p := range m.peers {
		st.Peers = append(st.Peers, m.status(p))
	}
	st.Warnings = append(st.Warnings, m.warnings(m.n.now())...)
}

// addStats adds the mesh's counters.
func (m *mesh) addStats(st *control.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		st.Peers = append(st.Peers, control.PeerStats{
			Name:     p.name,
			RxFrames: p.rx.frames.Load(), RxBytes: p.rx.bytes.Load(),
			TxFrames: p.tx.frames.Load(), TxBytes: p.tx.bytes.Load(),
			RxDatagrams: p.rxDatagrams.Load(), TxDatagrams: p.txDatagrams.Load(),
			Handshakes: p.handshakes, Drops: p.drops.Map(),
		})
	}
	for _, s := range m.sockets {
		st.Sockets = append(st.Sockets, s.stats())
	}
}

// status is the peer as clients see it. The caller holds mu.
func (m *mesh) status(p *peer) control.Peer {
	st := control.Peer{
		Name: p.name, State: p.state, Reason: p.reason, Since: p.since,
		RxBytes: p.rx.bytes.Load(), TxBytes: p.tx.bytes.Load(),
		RxFrames: p.rx.frames.Load(), TxFrames: p.tx.frames.Load(), Drops: p.drops.Map(),
	}
	if id := p.session.ID(); id != [32]byte{} {
		st.ID = hex.EncodeToString(id[:])
	}
	now, wall := m.n.now(), m.n.wall()
	if heard := time.Duration(p.heard.Load()); heard > 0 {
		st.LastSeen = wall.Add(heard - now)
	}
	if t := p.session.Current(); t != nil {
		st.Cipher, st.HandshakeAgeSeconds = t.Cipher().String(), (now - t.Created()).Seconds()
	}
	if pa := p.path; pa != nil && p.state == control.PeerDirect {
		kind := "udp4"
		if pa.remote.Addr().Is6() {
			kind = "udp6"
		}
		st.Path = &control.Path{
			Kind: kind, Remote: pa.remote.String(), RTTSeconds: pa.rtt.Seconds(),
			LossRatio: pa.loss, MTU: pa.search.Size(),
		}
	}
	return st
}

// publishPeer tells everybody who follows about a peer. The caller holds mu.
func (m *mesh) publishPeer(t control.EventType, p *peer, reason string) {
	if m.n.followed() {
		st := m.status(p)
		m.n.publish(control.Event{Type: t, Peer: &st, Reason: reason})
	}
}

// find gives the peer of a name. The caller holds mu.
func (m *mesh) find(name string) (*peer, error) {
	var known []string
	for _, p := range m.peers {
		if p.name == name {
			return p, nil
		}
		known = append(known, p.name)
	}
	e := control.Errorf(control.CodeNotFound, "there is no peer %q", name)
	e.Fix = []string{"peers: " + strings.Join(known, ", ")}
	if len(known) == 0 {
		e.Fix = []string{"the config has no [[peers]]"}
	}
	return nil, e
}

// Why says what holds a peer's path back. Anybody may call it at any time.
func (n *Node) Why(name string) (control.Why, error) {
	m := n.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.find(name)
	if err != nil {
		return control.Why{}, err
	}
	out := control.Why{Peer: m.status(p), Summary: p.summary(), Fixes: p.fixes(m)}
	var static []netip.AddrPort
	for _, a := range p.endpoints {
		a = n.scoped(a)
		static = append(static, a)
		out.Candidates = append(out.Candidates, p.candidate(a.String(), control.CandidateStatic))
	}
	if pa := p.path; pa != nil && !slices.Contains(static, pa.remote) {
		out.Candidates = append(out.Candidates, p.candidate(pa.remote.String(), control.CandidateLearned))
	}
	for _, e := range p.options.names() {
		host, _, _ := net.SplitHostPort(e)
		if strings.Contains(p.lookup, host) {
			out.Candidates = append(out.Candidates, control.Candidate{
				Address: e, Kind: control.CandidateStatic, State: control.CandidateUnresolved,
				LastResult: p.lookup,
			})
		}
	}
	return out, nil
}

func (p *peer) candidate(address string, kind control.CandidateKind) control.Candidate {
	c := control.Candidate{Address: address, Kind: kind, State: control.CandidateNoAnswer}
	result, tried := p.results[address]
	switch pa := p.path; {
	case pa != nil && pa.remote.String() == address && p.state == control.PeerDirect:
		c.State, c.RTTSeconds = control.CandidateInUse, pa.rtt.Seconds()
		c.LastResult = "our own number came back from there"
	case pa != nil && pa.remote.String() == address:
		c.LastResult = "it was in use, and fell silent"
	case tried:
		c.State, c.LastResult = result.state, result.words
	default:
		c.State = control.CandidateTrying
	}
	return c
}

// summary says in a sentence how the peer is reached or why not.
func (p *peer) summary() string {
	pa := p.path
	if p.state == control.PeerDirect && pa != nil {
		s := fmt.Sprintf("%s is reached directly at %s", p.name, pa.remote)
		if pa.observed.IsValid() {
			s += fmt.Sprintf("; it sees this node at %s", pa.observed)
		}
		return s
	}
	return fmt.Sprintf("%s is down: %s", p.name, p.sentence())
}

// sentences are the reasons of a peer that is down, as the end of a sentence.
var sentences = map[string]string{
	"no_endpoint":      "no address of it is known, so it has to call this node",
	"name_unresolved":  "the names of its endpoints do not resolve",
	"no_answer":        "nothing answers at its addresses",
	"no_path":          "there is a session, but no address has been proven yet",
	"no_common_cipher": "it takes none of the ciphers that security.cipher allows here",
	"left":             "it said goodbye",
}

func (p *peer) sentence() string {
	if s := sentences[p.reason]; s != "" {
		return s
	}
	return "no handshake has been answered yet"
}

// fixes are what a person can do about a peer that is down.
func (p *peer) fixes(m *mesh) []string {
	if p.state != control.PeerDown {
		return nil
	}
	switch p.reason {
	case "no_endpoint":
		return []string{"add endpoints = [\"HOST:PORT\"] to its [[peers]], or this node's to the other file"}
	case "name_unresolved":
		return []string{"mend its endpoints, or the name server: " + p.lookup}
	case "no_common_cipher":
		return []string{"set security.cipher to \"auto\" on both nodes"}
	case "left":
		return []string{"start vxmesh there again"}
	}
	if refused := p.unsendable(); refused != nil {
		return refused
	}
	port := "its mesh port"
	if len(p.endpoints) > 0 {
		port = fmt.Sprintf("UDP port %d", p.endpoints[0].Port())
	}
	out := []string{
		"is vxmesh running there, and does its [[peers]] have this node's key (vxmesh key show)?",
		"does a firewall or router on the way let " + port + " through?",
	}
	if len(m.sockets) > 0 {
		out = append(out, "this node listens on "+m.sockets[0].name())
	}
	return out
}

// unsendable says for each address that was tried why nothing can be sent there; nil when something
// was sent to one of them, and the cause lies elsewhere.
func (p *peer) unsendable() (out []string) {
	for _, address := range slices.Sorted(maps.Keys(p.results)) {
		r := p.results[address]
		if r.state != control.CandidateNoRoute {
			return nil
		}
		out = append(out, fmt.Sprintf("this machine cannot send to %s: %s; mend that first", address, r.words))
	}
	return out
}
