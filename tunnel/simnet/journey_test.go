package simnet_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// Two homes, one behind a carrier as well:
//
//	a 192.168.1.10 - NAT 100.64.0.1 - carrier 198.51.100.1 --+-- b 192.0.2.1
//	c 192.168.3.10 - NAT 198.51.100.3 -----------------------+
type homes struct {
	t              *testing.T
	net            *simnet.Internet
	a, b, c        *simnet.Host
	sa, sb, sc     udp.Conn
	carrier, homeC *simnet.NAT
	told           []string
}

func newHomes(t *testing.T) *homes {
	t.Helper()
	h := &homes{t: t, net: simnet.New(1)}
	h.carrier = h.net.NAT(simnet.PortRestricted, netip.MustParseAddr("198.51.100.1"))
	h.a = h.carrier.NAT(simnet.PortRestricted, netip.MustParseAddr("100.64.0.1")).Host(netip.MustParseAddr("192.168.1.10"))
	h.homeC = h.net.NAT(simnet.PortRestricted, netip.MustParseAddr("198.51.100.3"))
	h.c = h.homeC.Host(netip.MustParseAddr("192.168.3.10"))
	h.b = h.net.Host(netip.MustParseAddr("192.0.2.1"))
	port := netip.MustParseAddrPort("0.0.0.0:1000")
	h.sa, h.sb, h.sc = listen(t, h.a, port, udp.Options{}), listen(t, h.b, port, udp.Options{Buffer: 600}), listen(t, h.c, port, udp.Options{})
	h.net.Watch(func(j *simnet.Journey) {
		var hops []string
		for _, hop := range j.Hops {
			hops = append(hops, fmt.Sprintf("%s>%s", hop.From, hop.To))
		}
		h.told = append(h.told, fmt.Sprintf("%s %s: %s", j.Data, strings.Join(hops, " "), j.End))
	})
	return h
}

// sends sends one datagram, and wants to be told of this journey alone.
func (h *homes) sends(from udp.Conn, to, data, want string) {
	h.t.Helper()
	h.told = nil
	if err := write(from, netip.MustParseAddrPort(to), data); err != nil {
		h.t.Errorf("send %s: %v", data, err)
	}
	time.Sleep(time.Second) // of the bubble
	synctest.Wait()
	if len(h.told) != 1 || h.told[0] != data+" "+want {
		h.t.Errorf("told\n%s\nwant\n%s", strings.Join(h.told, "\n"), data+" "+want)
	}
}

// TestJourney: every way that a datagram's can end is told, with what NATs made of it.
func TestJourney(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHomes(t)
		defer h.net.Close()
		h.sends(h.sb, "198.51.100.1:1000", "stranger", "192.0.2.1:1000>198.51.100.1:1000: not let in")
		h.sends(h.sa, "192.0.2.1:1000", "out",
			"192.168.1.10:1000>192.0.2.1:1000 100.64.0.1:1000>192.0.2.1:1000 198.51.100.1:1000>192.0.2.1:1000: arrived")
		h.sends(h.sb, "198.51.100.1:1000", "back",
			"192.0.2.1:1000>198.51.100.1:1000 192.0.2.1:1000>100.64.0.1:1000 192.0.2.1:1000>192.168.1.10:1000: arrived")
		h.sends(h.sb, "192.0.2.1:9", "own", "192.0.2.1:1000>192.0.2.1:9: nobody is there")
		h.sends(h.sb, "203.0.113.9:9", "gone", "192.0.2.1:1000>203.0.113.9:9: nobody is there")
		h.sends(h.sc, "198.51.100.3:9", "hairpin", "192.168.3.10:1000>198.51.100.3:9: not let in")
		h.net.Link(h.a, h.b).Set(simnet.Conditions{Delay: time.Millisecond, Loss: 1})
		h.sends(h.sa, "192.0.2.1:1000", "lost",
			"192.168.1.10:1000>192.0.2.1:1000 100.64.0.1:1000>192.0.2.1:1000 198.51.100.1:1000>192.0.2.1:1000: lost on the way")
		h.net.Link(h.c, h.b).Set(simnet.Conditions{MTU: 600})
		big := strings.Repeat("x", 700)
		h.sends(h.sc, "192.0.2.1:1000", big,
			"192.168.3.10:1000>192.0.2.1:1000 198.51.100.3:1000>192.0.2.1:1000: too big for the path")
	})
}

// TestJourneyEnds: a full buffer, and a TTL that is used up at a NAT.
func TestJourneyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHomes(t)
		defer h.net.Close()
		for i, end := range []string{"arrived", "arrived", "the buffer was full"} {
			h.sends(h.sc, "192.0.2.1:1000", fmt.Sprint(i), "192.168.3.10:1000>192.0.2.1:1000 198.51.100.3:1000>192.0.2.1:1000: "+end)
		}
		msg := []udp.Message{{To: netip.MustParseAddrPort("192.0.2.1:1000"), Data: []byte("short"), TTL: 2}}
		h.told = nil
		h.sc.Write(msg, udp.Mode{})
		if len(h.told) != 1 || !strings.HasSuffix(h.told[0], ": its TTL ended on the way") {
			t.Errorf("told %q", h.told)
		}
		h.net.Watch(nil)
		h.told = nil
		if err := write(h.sc, netip.MustParseAddrPort("192.0.2.1:1000"), "x"); err != nil || h.told != nil {
			t.Errorf("told %q, %v", h.told, err)
		}
	})
}

// TestDoubled: a datagram that is doubled has two journeys, each with its own addresses.
func TestDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHomes(t)
		defer h.net.Close()
		h.carrier.SetOut(simnet.Conditions{Duplicate: 1})
		if err := write(h.sa, netip.MustParseAddrPort("192.0.2.1:1000"), "twice"); err != nil {
			t.Fatal(err)
		}
		if len(h.told) != 2 || h.told[0] != h.told[1] || !strings.HasSuffix(h.told[0], ": arrived") {
			t.Errorf("told %q", h.told)
		}
	})
}

// TestRate: a link takes its time over what is sent at once, and loses what its queue does not hold.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.Set(simnet.Conditions{Rate: 1_000_000}) // a packet of 1250 bytes takes 10 ms
		const header = 20 + 8
		for range 50 {
			if err := p.send(strings.Repeat("x", 1250-header)); err != nil {
				t.Fatal(err)
			}
		}
		got := p.drain(5 * time.Second)
		if len(got) != 21 || got[0].after != 10*time.Millisecond || got[20].after != 210*time.Millisecond {
			t.Errorf("%d arrived, the first after %v, the last after %v", len(got), got[0].after, got[len(got)-1].after)
		}
		if c := p.link.Counts(p.ha); c.Lost != 29 {
			t.Errorf("%d lost, want 29", c.Lost)
		}
	})
}

// TestNATNames: every kind has a name, by which it is found.
func TestNATNames(t *testing.T) {
	seen := map[string]bool{}
	for k := simnet.Open; k <= simnet.Blocked; k++ {
		var back simnet.NATKind
		if err := back.UnmarshalText([]byte(k.String())); err != nil || back != k || seen[k.String()] {
			t.Errorf("%s is read as %s, %v", k, back, err)
		}
		seen[k.String()] = true
	}
	if err := new(simnet.NATKind).UnmarshalText([]byte("cone")); err == nil {
		t.Error("there is no such kind")
	}
}
