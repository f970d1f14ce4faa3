//go:build linux && lab

// Nodes that know each other by their keys, and what their files say.
//
//	A vxm0 10.0.0.1, fd42::1                              B vxm0 10.0.0.2, fd42::2
//	  [u0] 192.0.2.1, 2001:db8::1 ===== sealed ===== 192.0.2.2, 2001:db8::2 [u0]

package lab

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

// meshPort is where nodes listen for their peers: not the standard's, and not one of their own
// choosing, so that a filter can name it.
const meshPort = 42420

// A peering is what the file of one node says about another.
type peering struct {
	name, key string
	endpoints []string
	keepalive string
	relay     bool
}

func (p peering) toml() string {
	text := fmt.Sprintf("[[peers]]\nname = %q\nkey = %q\nendpoints = %s\n", p.name, p.key,
		list(p.endpoints))
	if p.keepalive != "" {
		text += fmt.Sprintf("keepalive = %q\n", p.keepalive)
	}
	if p.relay {
		text += "relay = true\n"
	}
	return text
}

// newSealed writes the configuration of a node that is not started yet and knows nobody. It is
// called as its host is, in small letters.
func newSealed(h *host, segments ...segment) *node {
	h.t.Helper()
	vxmeshOnly(h.t)
	n := newNode(h, 4789, segments...)
	n.name, n.sealed = strings.ToLower(h.Name()), fmt.Sprintf("mesh = [\":%d\"]\n", meshPort)
	n.rewrite()
	return n
}

// overlay is the segment that number i of the drawing has: with peers only.
func overlay(i int) segment {
	return segment{
		noPlain:   true,
		addresses: []string{fmt.Sprintf("10.0.0.%d/24", i), fmt.Sprintf("fd42::%d/64", i)},
	}
}

// key is the node's public key; the first call makes it.
func (n *node) key() string {
	n.t.Helper()
	out, err := n.RunArgs(program, "key", "show", "--state", n.state(), "--json")
	need(n.t, err)
	var k struct {
		PublicKey string `json:"public_key"`
	}
	need(n.t, json.Unmarshal([]byte(out), &k))
	return k.PublicKey
}

// knows writes another node into this one's file.
func (n *node) knows(other *node, endpoints ...string) {
	n.t.Helper()
	n.peers = append(n.peers, peering{name: other.name, key: other.key(), endpoints: endpoints})
	n.rewrite()
}

// at is where host number i listens for its peers.
func meshAt(f family, i int) string {
	return net.JoinHostPort(f.addr(i), strconv.Itoa(meshPort))
}

// newSealedPair is the drawing over one underlay, with nobody started.
func newSealedPair(t testing.TB, f family) (a, b *node) {
	t.Helper()
	ha, hb := newHost(t, "A"), newHost(t, "B")
	cable(ha, hb)
	a, b = newSealed(ha, overlay(1)), newSealed(hb, overlay(2))
	for _, n := range []*node{a, b} {
		n.sealed = fmt.Sprintf("mesh = [%q]\n", f.any(meshPort)) // no way of the other family
	}
	a.knows(b, meshAt(f, 2))
	b.knows(a, meshAt(f, 1))
	return a, b
}

// joinSealedPair is [newSealedPair], up.
func joinSealedPair(t testing.TB, f family) (a, b *node) {
	t.Helper()
	a, b = newSealedPair(t, f)
	joinAll(a, b)
	return a, b
}

// joinAll starts nodes and waits until all the peers of each are reached.
func joinAll(nodes ...*node) {
	for _, n := range nodes {
		n.start()
	}
	for _, n := range nodes {
		n.t.Helper()
		n.waitUp()
		for _, p := range n.peers {
			n.waitPeer(p.name, "direct", "")
		}
	}
}

// peerStatus is what the program says about a peer, as far as the lab looks.
type peerStatus struct {
	Name   string `json:"name"`
	ID     string `json:"id"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	Cipher string `json:"cipher"`
	Path   *struct {
		Kind   string  `json:"kind"`
		Remote string  `json:"remote"`
		Via    string  `json:"via"`
		RTT    float64 `json:"rtt_seconds"`
		MTU    int     `json:"mtu"`
	} `json:"path"`
	RxFrames int            `json:"rx_frames"`
	TxFrames int            `json:"tx_frames"`
	Drops    map[string]int `json:"drops"`
}

// peer is what the node says about a peer now.
func (n *node) peer(name string) (peerStatus, error) {
	var p struct{ Peers []peerStatus }
	if err := n.tryJSON(&p, "peers"); err != nil {
		return peerStatus{}, err
	}
	for _, s := range p.Peers {
		if s.Name == name {
			return s, nil
		}
	}
	return peerStatus{}, fmt.Errorf("%s has no peer %s", n.name, name)
}

// waitPeer waits until a peer is in a state for a reason.
func (n *node) waitPeer(name, state, reason string) (p peerStatus) {
	n.t.Helper()
	eventually(n.t, func() (err error) {
		if p, err = n.peer(name); err != nil {
			return err
		}
		if p.State != state || p.Reason != reason {
			return fmt.Errorf("%s: peer %s is %s %q, want %s %q", n.name, name, p.State, p.Reason,
				state, reason)
		}
		return nil
	})
	return p
}

// waitMTU waits until the path to a peer carries between least and most bytes.
func (n *node) waitMTU(peer string, least, most int) {
	n.t.Helper()
	eventually(n.t, func() error {
		p, err := n.peer(peer)
		if err != nil {
			return err
		}
		if p.Path == nil || p.Path.MTU < least || p.Path.MTU > most {
			return fmt.Errorf("path %+v, want an MTU from %d to %d", p.Path, least, most)
		}
		return nil
	})
}

// meshDrops is how many datagrams were dropped for a reason that came from peers, or might have.
func (n *node) meshDrops(reason string) (sum int) {
	n.t.Helper()
	s := n.stats()
	for _, p := range s.Peers {
		sum += p.Drops[reason]
	}
	for _, socket := range s.Sockets {
		sum += socket.Drops[reason]
	}
	return sum
}
