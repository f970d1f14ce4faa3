package demo

import (
	"fmt"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// obstacles are the reasons of a peer that a relay is needed for, as the end of a sentence. These and the
// sentences below are a node's.
var obstacles = map[string]string{
	"":          "the direct way is being looked for",
	"nat_both":  "the NATs of both give every destination another port",
	"no_answer": "none of its addresses answers",
}

// sentences are the reasons of a peer that is down, as the end of a sentence.
var sentences = map[string]string{
	"no_answer": "nothing answers at its addresses",
	"left":      "it said goodbye",
	"paused":    "somebody has paused it on this node",
}

func (p *peer) sentence() string {
	if s := sentences[p.reason]; s != "" {
		return s
	}
	return "no handshake has been answered yet"
}

// why is what [control.Backend] wants.
func (n *Network) why(name string) (out control.Why, err error) {
	n.locked(func() {
		var p *peer
		if p, err = n.find(name); err != nil {
			return
		}
		out = control.Why{Peer: n.peer(p), Summary: p.summary(), Fixes: p.fixes()}
		if p.paused {
			return // its ways are forgotten
		}
		for i := range p.ways {
			out.Candidates = append(out.Candidates, n.candidate(p, i))
		}
	})
	return out, err
}

// candidate is one of a peer's ways as clients see it.
func (n *Network) candidate(p *peer, i int) control.Candidate {
	w := &p.ways[i]
	c := control.Candidate{
		Address: w.name(), Kind: w.kind, State: control.CandidateNoAnswer, LastResult: w.silent,
	}
	switch {
	case p.reachable() && i == p.way:
		c.State, c.LastResult = control.CandidateInUse, "our own number came back from there"
	case n.answers(p, i):
		c.State, c.LastResult = control.CandidateReachable, "it answers"
	case p.state == punching:
		c.State, c.LastResult = control.CandidateTrying, ""
	case c.LastResult == "" && i == p.way:
		c.LastResult = "it was in use, and fell silent"
	case c.LastResult == "":
		c.LastResult = "none of 3 pings came back"
	}
	if n.answers(p, i) {
		c.RTTSeconds = rounded(n.rtt(p, i), 1e6)
	}
	return c
}

// summary says in a sentence how the peer is reached or why not.
func (p *peer) summary() string {
	switch w := &p.ways[p.way]; {
	case p.state == down:
		return fmt.Sprintf("%s is down: %s", p.name, p.sentence())
	case w.relay != nil:
		return fmt.Sprintf("%s is reached %s, because %s", p.name, w.name(), obstacles[p.reason])
	default:
		return fmt.Sprintf("%s is reached directly at %s; it sees this node at %s", p.name, w.addr, p.sees)
	}
}

// fixes are what a person can do about it.
func (p *peer) fixes() []string {
	switch {
	case p.state.Relayed():
		return []string{
			"forward UDP port " + port + " to this machine in its router, or the other one's port there",
			"turn on UPnP, NAT-PMP or PCP in one of the two routers",
			"give both nodes IPv6",
		}
	case p.state != down:
		return nil
	case p.reason == "paused":
		return []string{"vxmesh peer resume " + p.name}
	case p.reason == "left":
		return []string{"start vxmesh there again"}
	}
	return []string{
		"is vxmesh running there, and does its [[peers]] have this node's key (vxmesh key show)?",
		"does a firewall or router on the way let UDP port " + port + " through?",
		"this node listens on " + listens,
	}
}
