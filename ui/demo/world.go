package demo

import "github.com/vxmesh/vxmesh/tunnel/control"

// home is the network that people see.
func (n *Network) home() {
	for _, p := range []*peer{nas(), vps(), attic(), rack(), office(), laptop()} {
		n.addPeer(p)
	}
	n.addHosts()
}

const (
	direct   = control.PeerDirect
	relayed  = control.PeerRelayed
	punching = control.PeerPunching
	down     = control.PeerDown
)

func nas() *peer {
	return &peer{
		name: "nas", bridge: true, address: "10.42.0.12/24", endpoints: []string{"192.168.1.20:42420"},
		ways: []way{{
			addr: "192.168.1.20:42420", kind: control.CandidateLAN, rtt: 0.0004, answers: true,
		}, {
			addr: "203.0.113.7:42420", kind: control.CandidateSeen, silent: "none of 6 pings came back",
		}},
		plan: []phase{{state: direct, mtu: 1500}},
		rx:   load{51.5e6, 1310}, tx: load{4.7e6, 310}, sees: "192.168.1.10:42420",
	}
}

func vps() *peer {
	return &peer{
		name: "vps-fra", bridge: true, relay: true, admin: true, address: "10.42.0.2/24",
		endpoints: []string{"192.0.2.30:42420", "[2001:db8:7::5]:42420"},
		ways: []way{{
			addr: "[2001:db8:7::5]:42420", kind: control.CandidateIPv6, rtt: 0.0119, answers: true,
		}, {
			addr: "192.0.2.30:42420", kind: control.CandidateStatic, rtt: 0.0124, answers: true,
		}},
		plan: []phase{{state: direct, mtu: 1500}},
		rx:   load{2600, 180}, tx: load{2400, 170}, sees: "[2001:db8:1::5]:42420",
	}
}

func attic() *peer {
	return &peer{
		name: "pi-attic", bridge: true, address: "10.42.0.31/24", endpoints: []string{"198.51.100.23:42420"},
		ways: []way{{
			addr: "198.51.100.23:42420", kind: control.CandidateMapped, rtt: 0.0182, answers: true,
		}, {
			addr: "192.168.178.31:42420", kind: control.CandidateHost, silent: "none of 4 pings came back",
		}, {
			via: "vps-fra", kind: control.CandidateRelay, rtt: 0.034, answers: true,
		}},
		plan: []phase{{state: direct, mtu: 1492}},
		rx:   load{150e3, 720}, tx: load{39e3, 260}, sees: "198.51.100.7:42424", weak: true,
	}
}

// rack finds its direct way after 20 steps, and loses it some minutes later.
func rack() *peer {
	return &peer{
		name: "lab-rack", bridge: true, address: "10.42.0.40/24",
		endpoints: []string{"192.0.2.91:51190", "192.168.7.4:42420"},
		ways: []way{{
			via: "vps-fra", kind: control.CandidateRelay, rtt: 0.041, answers: true,
		}, {
			addr: "192.0.2.91:51190", kind: control.CandidateSeen, rtt: 0.0235,
			silent: "none of 3 pings came back",
		}, {
			addr: "192.0.2.91:51192", kind: control.CandidateGuess, silent: "none of 3 pings came back",
		}, {
			addr: "192.168.7.4:42420", kind: control.CandidateHost, silent: "none of 4 pings came back",
		}},
		plan: []phase{
			{from: -past, state: direct, way: 1, mtu: 1500},
			{from: -970, state: relayed, reason: "nat_both", mtu: 1452},
			{from: 17, state: punching, mtu: 1452},
			{from: 20, state: direct, way: 1, mtu: 1500},
			{from: 260, state: relayed, reason: "nat_both", mtu: 1452},
		},
		period: 600,
		rx:     load{425e3, 840}, tx: load{112e3, 330}, sees: "198.51.100.7:42432",
	}
}

// office loses ever more after 30 steps, and recovers.
func office() *peer {
	return &peer{
		name: "office", bridge: true, address: "10.42.0.50/24", endpoints: []string{"203.0.113.9:42420"},
		ways: []way{{
			addr: "203.0.113.9:42420", kind: control.CandidateForward, rtt: 0.062, answers: true,
		}, {
			via: "vps-fra", kind: control.CandidateRelay, rtt: 0.079, answers: true,
		}, {
			addr: "192.168.20.4:42420", kind: control.CandidateHost, silent: "none of 4 pings came back",
		}},
		plan: []phase{
			{from: -past, state: direct, loss: 0.002, mtu: 1500},
			{from: 30, state: direct, loss: 0.064, slow: 1.42, mtu: 1500},
			{from: 52, state: direct, loss: 0.064, slow: 1.42, mtu: 1360},
			{from: 270, state: direct, loss: 0.002, mtu: 1360},
			{from: 300, state: direct, loss: 0.002, mtu: 1500},
		},
		period: 840,
		rx:     load{80e3, 610}, tx: load{11.5e3, 190}, sees: "198.51.100.7:42426", weak: true,
	}
}

// laptop is carried around.
func laptop() *peer {
	return &peer{
		name: "laptop", address: "10.42.0.61/24", endpoints: []string{"203.0.113.77:42420"},
		ways: []way{{
			addr: "203.0.113.77:42420", kind: control.CandidateSeen, rtt: 0.0271,
			silent: "none of 9 pings came back",
		}, {
			addr: "192.168.43.17:42420", kind: control.CandidateHost, silent: "none of 9 pings came back",
		}},
		plan: []phase{
			{from: -past, state: down, reason: "no_answer"},
			{from: 45, state: direct, mtu: 1500},
			{from: 225, state: down, reason: "left"},
		},
		period: 480,
		rx:     load{310e3, 900}, tx: load{48e3, 240}, sees: "198.51.100.7:42428", weak: true,
	}
}

// guest is who comes with an invitation.
func guest(name string, admin bool) *peer {
	return &peer{
		name: name, admin: admin, bridge: true, address: "10.42.0.62/24", endpoints: []string{"203.0.113.88:42420"},
		ways: []way{{
			addr: "203.0.113.88:42420", kind: control.CandidateSeen, rtt: 0.0314,
			silent: "none of 2 pings came back",
		}, {
			addr: "192.168.60.2:42420", kind: control.CandidateHost, silent: "none of 2 pings came back",
		}},
		plan: []phase{
			{state: down, reason: "no_answer"},
			{from: 2, state: direct, mtu: 1500},
		},
		rx: load{64e3, 700}, tx: load{21e3, 300}, sees: "198.51.100.7:42434", weak: true,
	}
}
