package demo

import (
	"fmt"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Large makes a network with many peers and machines, to measure clients with. It has a past of a minute.
func Large(seed uint64, now func() time.Time, peers, machines int) *Network {
	n := newNetwork(seed, now)
	n.addPeer(vps())
	for i := 1; i < peers; i++ {
		n.addPeer(many(i))
	}
	for i := range machines {
		at := n.peers[i%len(n.peers)].name
		h := n.addHost(fmt.Sprintf("bc:24:11:%02x:%02x:%02x", byte(i>>16), byte(i>>8), byte(i)), "0", at)
		h.vlan, h.chatty = uint16(i%4*10), 0.1
	}
	n.live(60)
	return n
}

// many is one of a crowd: every eighth is relayed, every fortieth comes and goes.
func many(i int) *peer {
	port := 20000 + i
	p := &peer{
		name: fmt.Sprintf("node-%03d", i), bridge: true, address: fmt.Sprintf("10.42.%d.%d/16", i>>8, i&0xff),
		ways: []way{{
			addr: fmt.Sprintf("203.0.113.%d:%d", i%250+1, port), kind: control.CandidateSeen,
			rtt: 0.004 + 0.0003*float64(i%97), silent: "none of 3 pings came back",
		}, {
			via: "vps-fra", kind: control.CandidateRelay, rtt: 0.04, answers: true,
		}},
		plan: []phase{{from: -past, state: direct, mtu: 1500}},
		rx:   load{2e3 + 700*float64(i%41), 600}, tx: load{1e3 + 300*float64(i%37), 300}, sees: "198.51.100.7:42436",
	}
	p.endpoints = []string{p.ways[0].addr}
	switch {
	case i%40 == 7:
		p.plan = append(p.plan, phase{from: 60, state: down, reason: "no_answer"})
		p.period = 120 + i
	case i%8 == 3:
		p.plan[0] = phase{from: -past, state: relayed, reason: "nat_both", way: 1, mtu: 1452}
	}
	return p
}
