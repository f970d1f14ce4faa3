package tunnel_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/nat/portmap"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

const openedPort = 31877

// opens has the router in front of a site promise a port, and keep the promise or not.
func (s *site) opens(keeps bool) (outside netip.AddrPort, reopened *int) {
	outside, reopened = netip.AddrPortFrom(s.nat.Addr(), openedPort), new(int)
	if keeps {
		s.nat.Forward(openedPort, netip.AddrPortFrom(s.host.Addrs()[0], s.addr.Port()))
	}
	s.RouterOpened(portmap.Mapping{
		Protocol: "upnp", External: outside, Gateway: netip.MustParseAddr("192.168.3.1"), Permanent: true,
	}, func() { *reopened++ })
	return outside, reopened
}

// verified is what a netcheck says of the port.
func (s *site) verified() bool { return s.netcheck().PortMapping.Verified }

// busily has two talk to each other for a time.
func (w *world) busily(a, b *member, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); w.pass(time.Second) {
		a.say(b, "x")
		b.say(a, "y")
	}
}

// TestOpened has a peer that needs the port get through it, or not: then it is asked for anew, ever more
// seldom, until it does.
func TestOpened(t *testing.T) {
	simulate(t, 90, func(w *world) {
		pub, a, b := w.introduce(simnet.PortRestricted, simnet.SymmetricRandom)
		start(pub, a.member, b.member)
		w.busily(a.member, b.member, 20*time.Second)
		_, reopened := a.opens(false)
		if *reopened != 0 || a.verified() {
			t.Error("it is judged before it was tried")
		}
		w.busily(a.member, b.member, 15*time.Minute)
		if *reopened < 3 || *reopened > 5 || a.verified() {
			t.Errorf("asked for %d times in a quarter of an hour; verified: %v", *reopened, a.verified())
		}
		a.nat.Forward(openedPort, netip.AddrPortFrom(a.host.Addrs()[0], a.addr.Port()))
		w.within(70*time.Second, "a direct way by the port", func() bool {
			a.say(b.member, "x")
			return directly(a.member, b.member)
		})
		was := *reopened
		if w.busily(a.member, b.member, 3*time.Minute); !a.verified() || *reopened != was {
			t.Errorf("asked for %d times more; verified: %v", *reopened-was, a.verified())
		}
		a.nat.Forward(openedPort, netip.AddrPort{}) // the router still lists it
		a.nat.Flush()
		if w.busily(a.member, b.member, 3*time.Minute); a.verified() || *reopened == was {
			t.Errorf("asked for %d times after it was gone; verified: %v", *reopened-was, a.verified())
		}
	})
}

// TestNoWitness: the port says nothing of these, nor these of the port.
func TestNoWitness(t *testing.T) {
	for name, c := range map[string]struct {
		other   simnet.NATKind
		outside string // "" for the router's own
	}{
		"a direct way without it": {simnet.PortRestricted, ""},
		"behind another router":   {simnet.SymmetricRandom, "100.64.1.2:31877"},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 91, func(w *world) {
				pub, a, b := w.introduce(simnet.PortRestricted, c.other)
				start(pub, a.member, b.member)
				_, reopened := a.opens(false)
				if c.outside != "" {
					inner := portmap.Mapping{External: netip.MustParseAddrPort(c.outside)}
					a.RouterOpened(inner, func() { *reopened++ })
				}
				w.busily(a.member, b.member, 10*time.Minute)
				if *reopened != 0 || a.verified() {
					t.Errorf("asked for %d times; verified: %v", *reopened, a.verified())
				}
			})
		})
	}
}
