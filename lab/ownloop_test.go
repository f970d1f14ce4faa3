//go:build linux && lab

// The way to others leads through the bridge that the segment's device is in, as on a machine with
// one NIC and a stretched LAN.
//
//	A br0 192.0.2.1, 10.0.0.1 [vxm0] [u0] ---------- 192.0.2.2 [u0] B vxm0 10.0.0.2

package lab

import "testing"

// newOneNIC is A of the drawing and the host of B.
func newOneNIC(t *testing.T) (ha, hb *host) {
	t.Helper()
	ha, hb = newHost(t, "A"), newHost(t, "B")
	cable(ha, hb)
	ha.run("ip link add br0 type bridge mcast_snooping 0")
	ha.run("ip addr flush dev u0")
	ha.run("ip link set u0 master br0")
	ha.run("ip link set br0 up")
	ha.run("ip addr add %s/24 dev br0", v4.addr(1))
	ha.run("ip addr add 10.0.0.1/24 dev br0")
	return ha, hb
}

// forget has A's bridge forget where B's addresses are, and not learn it again.
func forget(ha, hb *host, addrs ...string) {
	ha.t.Helper()
	for _, a := range addrs {
		ha.run("ip neigh replace %s dev br0 lladdr %s nud permanent", a, hb.mac("u0"))
	}
	ha.run("bridge link set dev u0 learning off")
	ha.run("ip link set br0 type bridge fdb_flush")
}

// nothingComesOfIt wants the datagrams of the node that came to its own device to have gone nowhere.
func (n *node) nothingComesOfIt() {
	n.t.Helper()
	if n.drops("loop") == 0 {
		n.t.Error("no datagram of the node came to its own device: the test shows nothing")
	}
	if sent := n.stats().Segments[0].TxFrames; sent > 1000 {
		n.t.Errorf("%d frames went out for a few pings", sent)
	}
}

// TestBridgeForgetsPeer: the bridge does not know where the peer is, and gives what the node sends
// to it to all its ports, the node's own device among them.
func TestBridgeForgetsPeer(t *testing.T) {
	t.Parallel()
	ha, hb := newOneNIC(t)
	a, b := newSealed(ha, segment{noPlain: true, bridge: "br0"}), newSealed(hb, overlay(2))
	a.knows(b, meshAt(v4, 2))
	b.knows(a, meshAt(v4, 1))
	joinAll(a, b)
	a.ping("10.0.0.2", 56)
	forget(ha, hb, v4.addr(2))
	a.mustCtl("fdb", "flush", "--all")
	a.ping("10.0.0.2", 56)
	a.nothingComesOfIt()
}

// TestBridgeForgetsVTEPs: with several VTEPs, what comes back is not for those alone that it was
// sent to, or each datagram would become one for every other.
func TestBridgeForgetsVTEPs(t *testing.T) {
	t.Parallel()
	vxmeshOnly(t)
	ha, hb := newOneNIC(t)
	var remotes []string
	for i := 2; i <= 4; i++ {
		if i > 2 {
			hb.run("ip addr add %s/24 dev u0", v4.addr(i))
		}
		remotes = append(remotes, v4.addr(i))
	}
	hb.kernel(segment{
		local: v4.addr(2), remotes: []string{v4.addr(1)}, addresses: []string{"10.0.0.2/24"},
	}, 4789)
	a := join(ha, segment{bridge: "br0", remotes: remotes})
	a.ping("10.0.0.2", 56)
	forget(ha, hb, remotes...)
	a.mustCtl("fdb", "flush", "--all")
	ha.run("ip neigh flush to 10.0.0.2")
	a.ping("10.0.0.2", 56)
	a.nothingComesOfIt()
}
