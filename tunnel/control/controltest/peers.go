package controltest

import (
	"context"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Peers is one peer that is reached and one that is not.
func Peers() []control.Peer {
	return []control.Peer{
		{
			Name: "nas", ID: "1c0277aa9e3104f8", State: control.PeerDirect,
			Since: Start.Add(90 * time.Second), Cipher: "aes-256-gcm", HandshakeAgeSeconds: 71.5,
			LastSeen: Start.Add(4 * time.Minute),
			Path: &control.Path{
				Kind: "udp4", Remote: "192.0.2.20:42420", RTTSeconds: 0.0004, MTU: 1500,
			},
			RxBytes: 412000000, TxBytes: 38000000, RxFrames: 300000, TxFrames: 40000,
			Drops: control.Counts{"replay": 2},
		},
		{
			Name: "office", State: control.PeerDown, Reason: "no_answer", Since: Start,
			Drops: control.Counts{"no_session": 7},
		},
	}
}

// PeerStats counts for the peers of [Peers].
func PeerStats() []control.PeerStats {
	return []control.PeerStats{
		{
			Name: "nas", RxFrames: 300000, TxFrames: 40000, RxBytes: 412000000, TxBytes: 38000000,
			RxDatagrams: 310000, TxDatagrams: 41000, Handshakes: 3, Drops: control.Counts{"replay": 2},
		},
		{Name: "office", TxDatagrams: 12, Drops: control.Counts{"no_session": 7}},
	}
}

// ping is answered by nas after 0.4 ms, if its path carries it; office never answers.
func (n *Node) ping(ctx context.Context, r control.PingRequest) (control.PingReply, error) {
	n.locked(func() { n.requests = append(n.requests, r) })
	p, err := n.peer(r.Peer)
	if err != nil {
		return control.PingReply{}, err
	}
	if p.Path == nil || r.Size > p.Path.MTU {
		<-ctx.Done()
		return control.PingReply{}, ctx.Err()
	}
	return control.PingReply{
		Peer: p.Name, Remote: p.Path.Remote, RTTSeconds: p.Path.RTTSeconds, MTU: p.Path.MTU,
	}, nil
}

// why tells of an address of the config that does not answer, and for nas of one in use.
func (n *Node) why(name string) (control.Why, error) {
	p, err := n.peer(name)
	if err != nil {
		return control.Why{}, err
	}
	silent := control.Candidate{
		Address: "203.0.113.9:42420", Kind: control.CandidateStatic,
		State: control.CandidateNoAnswer, LastResult: "no answer, 12 tries",
	}
	if p.Path == nil {
		return control.Why{
			Peer: p, Summary: "office is down: nobody answers at 203.0.113.9:42420",
			Candidates: []control.Candidate{silent},
			Fixes: []string{
				"start vxmesh there",
				"let UDP port 42420 through to it",
			},
		}, nil
	}
	return control.Why{
		Peer: p, Summary: "nas is reached directly at 192.0.2.20:42420",
		Candidates: []control.Candidate{
			{
				Address: p.Path.Remote, Kind: control.CandidateLearned, State: control.CandidateInUse,
				LastResult: "answered", RTTSeconds: p.Path.RTTSeconds,
			},
			silent,
		},
	}, nil
}

func (n *Node) peer(name string) (p control.Peer, err error) {
	n.locked(func() {
		var known []string
		for _, q := range n.status.Peers {
			if known = append(known, q.Name); q.Name == name {
				p = q
			}
		}
		if p.Name == "" {
			err = control.NoPeer(name, known)
		}
	})
	return p, err
}

// pingPaths is [Node.ping] by the addresses that why tells of.
func (n *Node) pingPaths(_ context.Context, r control.PingRequest) (out control.PingPaths, err error) {
	n.locked(func() { n.requests = append(n.requests, r) })
	why, err := n.why(r.Peer)
	if err != nil {
		return out, err
	}
	if why.Peer.Path == nil {
		return out, control.Errorf(control.CodeTimeout, "%s is down: nothing answers at its addresses", r.Peer)
	}
	out.Peer = r.Peer
	for _, c := range why.Candidates {
		out.Paths = append(out.Paths, control.PingPath{
			Address: c.Address, Kind: c.Kind, InUse: c.State == control.CandidateInUse,
			Answered: c.RTTSeconds > 0, RTTSeconds: c.RTTSeconds,
		})
	}
	out.Paths = append(out.Paths, control.PingPath{
		Address: "via vps1", Kind: control.CandidateRelay, Answered: true, RTTSeconds: 0.031,
	})
	return out, nil
}
