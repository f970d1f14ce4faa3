package tunnel

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Why says what holds a peer's path back. Anybody may call it at any time.
func (n *Node) Why(name string) (control.Why, error) {
	m := n.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.find(name)
	if err != nil {
		return control.Why{}, err
	}
	out := control.Why{Peer: m.status(p), Summary: m.summary(p), Fixes: m.fixes(p)}
	for _, c := range p.agent.Candidates(n.now()) {
		out.Candidates = append(out.Candidates, m.candidate(p, c))
	}
	for _, a := range m.unspoken(p) {
		out.Candidates = append(out.Candidates, control.Candidate{
			Address: a.String(), Kind: control.CandidateStatic, State: control.CandidateNoRoute,
			LastResult: noFamily,
		})
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

const noFamily = "listen.mesh has no address of its family"

// unspoken are the endpoints of a peer whose family no socket speaks.
func (m *mesh) unspoken(p *peer) (out []netip.AddrPort) {
	for _, a := range p.endpoints {
		if a = m.n.scoped(a); firstOf(m.sockets, a.Addr().Is6()) == nil {
			out = append(out, a)
		}
	}
	return out
}

// candidate is a way to a peer as clients see it.
func (m *mesh) candidate(p *peer, s nat.Status) control.Candidate {
	c := control.Candidate{
		Address: m.name(s.Way), Kind: control.CandidateKind(s.Kind.String()),
		State: control.CandidateNoAnswer, RTTSeconds: s.RTT.Seconds(),
	}
	tried, ok := p.results[s.Way]
	switch {
	case s.Active && p.state != control.PeerDown:
		c.State, c.LastResult = control.CandidateInUse, "our own number came back from there"
	case s.Active:
		c.LastResult = "it was in use, and fell silent"
	case s.State == nat.Valid:
		c.State, c.LastResult = control.CandidateReachable, "it answers"
	case ok && tried.state == control.CandidateNoRoute:
		c.State, c.LastResult = tried.state, tried.words
	case s.State == nat.Probing, s.Pings == 0 && !ok:
		c.State = control.CandidateTrying
	case ok && s.Pings == 0:
		c.State, c.LastResult = tried.state, tried.words
	default:
		c.LastResult = fmt.Sprintf("none of %d pings came back", s.Unanswered)
		if s.Answered > 0 {
			c.LastResult += ", the last did " + ago(m.n.now()-s.Answered)
		}
	}
	if c.State != control.CandidateInUse && c.State != control.CandidateReachable {
		c.RTTSeconds = 0
	}
	return c
}

func ago(d time.Duration) string { return d.Round(time.Second).String() + " ago" }

// summary says in a sentence how the peer is reached or why not.
func (m *mesh) summary(p *peer) string {
	pa := p.path
	switch {
	case p.state == control.PeerDown || pa == nil:
		return fmt.Sprintf("%s is down: %s", p.name, p.sentence())
	case !pa.way.Direct():
		s := fmt.Sprintf("%s is reached %s, because %s", p.name, m.name(pa.way), m.obstacle(p))
		if m.overloaded(pa.way) {
			s += "; the relay has more to pass on than its limit, so that some gets lost"
		}
		return s
	}
	s := fmt.Sprintf("%s is reached directly at %s", p.name, pa.way.Addr)
	if pa.observed.IsValid() {
		s += fmt.Sprintf("; it sees this node at %s", pa.observed)
	}
	return s
}

// overloaded reports whether a way leads through a relay that has said lately that it has too much to pass on.
func (m *mesh) overloaded(w nat.Way) bool {
	if w.Direct() {
		return false
	}
	r := m.tagged(w.Relay)
	return r != nil && r.limited.last != 0 && m.n.now()-r.limited.last < limitedFor
}

// obstacle says why a peer is reached through a relay and not directly, as the end of a sentence.
func (m *mesh) obstacle(p *peer) string {
	why := m.hindrance(p)
	if why == "lossy" {
		for _, s := range p.agent.Candidates(m.n.now()) {
			if s.Direct() && s.State == nat.Valid {
				return fmt.Sprintf("%.0f %% of the pings to %s get lost", 100*s.Loss, s.Addr)
			}
		}
	}
	return obstacles[why]
}

// obstacles are the reasons of a peer that a relay is needed for, as the end of a sentence.
var obstacles = map[string]string{
	"no_address": "no address of it is known",
	"lossy":      "too many pings to it get lost",
	"punching":   "the direct way is being looked for",
	"nat_both":   "the NATs of both give every destination another port",
	"nat_here":   "the NAT here gives every destination another port, and the one there lets nobody in unasked",
	"nat_there":  "the NAT there gives every destination another port, and the one here lets nobody in unasked",
	"no_answer":  "none of its addresses answers",
}

// hindrance is why a peer is reached through a relay, in a word.
func (m *mesh) hindrance(p *peer) string {
	now := m.n.now()
	direct := slices.DeleteFunc(p.agent.Candidates(now), func(s nat.Status) bool { return !s.Direct() })
	here, there := m.outside.observer.Varies(now), varies(direct)
	switch {
	case len(direct) == 0:
		return "no_address"
	case slices.ContainsFunc(direct, func(s nat.Status) bool { return s.State == nat.Valid }):
		return "lossy"
	case p.agent.Punching():
		return "punching"
	case here && there:
		return "nat_both"
	case here:
		return "nat_here"
	case there:
		return "nat_there"
	}
	return "no_answer"
}

// varies reports whether a peer has said that its NAT gives every destination another port.
func varies(list []nat.Status) bool {
	return slices.ContainsFunc(list, func(s nat.Status) bool { return s.Kind == nat.KindForwarded })
}

// sentences are the reasons of a peer that is down, as the end of a sentence.
var sentences = map[string]string{
	"no_endpoint":      "no address of it is known, so it has to call this node",
	"name_unresolved":  "the names of its endpoints do not resolve",
	"no_answer":        "nothing answers at its addresses",
	"no_path":          "there is a session, but no address has been proven yet",
	"no_common_cipher": "it takes none of the ciphers that security.cipher allows here",
	"left":             "it said goodbye",
	"paused":           "somebody has paused it on this node",
}

func (p *peer) sentence() string {
	if s := sentences[p.reason]; s != "" {
		return s
	}
	return "no handshake has been answered yet"
}

// fixes are what a person can do about a peer that is down.
func (m *mesh) fixes(p *peer) []string {
	switch {
	case p.state == control.PeerDown:
	case p.path != nil && !p.path.way.Direct():
		return m.upgrades(p)
	default:
		return nil
	}
	switch p.reason {
	case "no_endpoint":
		return []string{"add endpoints = [\"HOST:PORT\"] to its [[peers]], or this node's to the other file"}
	case "name_unresolved":
		return []string{"mend its endpoints, or the name server: " + p.lookup}
	case "no_common_cipher":
		return []string{"set security.cipher to \"auto\" on both nodes"}
	case "paused":
		return []string{"vxmesh peer resume " + p.name}
	case "left":
		return []string{"start vxmesh there again"}
	}
	if refused := m.unsendable(p); refused != nil {
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

// upgrades are what a person can do about a peer that is reached through a relay.
func (m *mesh) upgrades(p *peer) []string {
	port := m.sockets[0].LocalAddr().Port()
	out := []string{
		fmt.Sprintf("forward UDP port %d to this machine in its router, or the other one's port there", port),
		"turn on UPnP, NAT-PMP or PCP in one of the two routers",
		"give both nodes IPv6",
	}
	if w := p.path.way; m.overloaded(w) {
		out = append(out, fmt.Sprintf("raise relay.limit at %s", m.tagged(w.Relay).name))
	}
	return out
}

// unsendable says for each address that was tried why nothing can be sent there; nil when something
// was sent to one of them, and the cause lies elsewhere.
func (m *mesh) unsendable(p *peer) (out []string) {
	ways := slices.SortedFunc(maps.Keys(p.results), func(a, b nat.Way) int {
		return cmp.Compare(a.String(), b.String())
	})
	cannot := func(to, why string) {
		out = append(out, fmt.Sprintf("this machine cannot send to %s: %s; mend that first", to, why))
	}
	for _, w := range ways {
		r := p.results[w]
		if r.state != control.CandidateNoRoute {
			return nil
		}
		cannot(m.name(w), r.words)
	}
	for _, a := range m.unspoken(p) {
		cannot(a.String(), noFamily)
	}
	return out
}
