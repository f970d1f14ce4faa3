//go:build linux && lab

// Peers that have no addresses but those that every link has by itself (RFC 4291, 2.5.6).
//
//	A vxm0 10.0.0.1 [u0] fe80::a ------ mtu 4000 ------ fe80::b [u0] B vxm0 10.0.0.2

package lab

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// TestLinkLocalPeer: such an address is one like others, as soon as it says by which link; and one
// on the segment's own device leads nowhere.
func TestLinkLocalPeer(t *testing.T) {
	t.Parallel()
	ha, hb := newHost(t, "A"), newHost(t, "B")
	need(t, netns.Veth(ha.NS, "u0", hb.NS, "u0"))
	for h, addr := range map[*host]string{ha: "fe80::a", hb: "fe80::b"} {
		h.run("ip link set u0 mtu 4000")
		h.run("ip addr add %s/64 dev u0 nodad", addr)
	}
	a, b := newSealed(ha, overlay(1)), newSealed(hb, overlay(2))
	a.knows(b, fmt.Sprintf("[fe80::b%%u0]:%d", meshPort), fmt.Sprintf("[fe80::c%%vxm0]:%d", meshPort))
	b.knows(a)
	joinAll(a, b)
	a.waitMTU("b", 4000, 4000)
	b.waitMTU("a", 4000, 4000)
	a.ping("10.0.0.2", 1472)
	why := a.mustCtl("why", "b")
	expectWords(t, why, "is reached directly", "in use", "routed into vxm0 itself")
	if strings.Contains(why, "learned") {
		t.Errorf("the address of the file is not known again:\n%s", why)
	}
}
