package portmap

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	outside = " 198.51.100.7:31877"
	way     = "31877>192.168.1.9:31877"
)

// bubble runs a test on a clock of its own, with a router and a host in front of it.
func bubble(t *testing.T, f func(t *testing.T, r *router, h *host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t)
		f(t, r, newHost(r))
	})
}

// settle lets the clock go on and everything come to rest.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestProtocols: each is got by itself, at once where the router speaks PCP or NAT-PMP, renewed at
// half, and deleted at the end.
func TestProtocols(t *testing.T) {
	for _, c := range []struct {
		name, speaks string
		within       time.Duration
		protocol     string
		renewal      string
	}{
		{"all three", "pcp nat-pmp upnp", 0, "pcp", "pcp 7200"},
		{"PCP", "pcp", 0, "pcp", "pcp 7200"},
		{"NAT-PMP", "nat-pmp", 0, "nat-pmp", "nat-pmp 7200"},
		{"UPnP", "upnp", 1500 * time.Millisecond, "upnp", "upnp 31877 7200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *router, h *host) {
				words := strings.Fields(c.speaks)
				r.pcp, r.pmp = slices.Contains(words, "pcp"), slices.Contains(words, "nat-pmp")
				r.upnp = slices.Contains(words, "upnp")
				h.start(t)
				settle(c.within)
				h.expect(t, c.protocol+outside, way)
				settle(time.Hour - 2*time.Second)
				if want := []string{c.renewal}; !slices.Equal(r.did(), want) {
					t.Errorf("asked for %q before half the time, want %q", r.did(), want)
				}
				settle(3 * time.Second)
				if want := []string{c.renewal, c.renewal}; !slices.Equal(r.did(), want) {
					t.Errorf("asked for %q after half the time, want %q", r.did(), want)
				}
				settle(24 * time.Hour)
				h.expect(t, c.protocol+outside, way)
				began := time.Now()
				if err := h.stop(); err != nil || time.Since(began) > time.Second {
					t.Errorf("stopped with %v after %v", err, time.Since(began))
				}
				h.expect(t, "none", "")
				if want := []string{c.protocol + outside, "none"}; !slices.Equal(h.told(), want) {
					t.Errorf("told of %q, want %q", h.told(), want)
				}
			})
		})
	}
}

func TestNothingSpoken(t *testing.T) {
	bubble(t, func(t *testing.T, r *router, h *host) {
		h.start(t)
		settle(24 * time.Hour)
		h.expect(t, "none", "")
		if n := len(r.times()); n < 100 || n > 3000 {
			t.Errorf("%d datagrams in a day", n)
		}
		r.with(func() { r.pcp = true })
		h.Changed()
		settle(0)
		h.expect(t, "pcp"+outside, way)
	})
}

// TestSchedule: PCP and NAT-PMP are asked together at these times, and UPnP after them.
func TestSchedule(t *testing.T) {
	bubble(t, func(t *testing.T, r *router, h *host) {
		h.opts.NoUPnP = true
		h.start(t)
		settle(30 * time.Second)
		var want []time.Duration
		for _, at := range []time.Duration{0, 250, 500, 1000} {
			want = append(want, at*time.Millisecond, at*time.Millisecond)
		}
		if !slices.Equal(r.times(), want) {
			t.Errorf("sent at %v, want %v", r.times(), want)
		}
	})
}

func TestLostDatagrams(t *testing.T) {
	for _, protocol := range []string{"pcp", "nat-pmp"} {
		bubble(t, func(t *testing.T, r *router, h *host) {
			r.pcp, r.pmp, r.lose = protocol == "pcp", protocol == "nat-pmp", 3
			h.start(t)
			settle(1250 * time.Millisecond)
			h.expect(t, protocol+outside, way)
		})
	}
}

// TestRestart: a router that has forgotten is noticed by its epoch, or its table, and asked again.
func TestRestart(t *testing.T) {
	for protocol, within := range map[string]time.Duration{
		"pcp": watchEvery, "nat-pmp": watchEvery, "upnp": watchUPnPEvery,
	} {
		t.Run(protocol, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *router, h *host) {
				r.pcp, r.pmp, r.upnp = protocol == "pcp", protocol == "nat-pmp", protocol == "upnp"
				h.start(t)
				for range 3 { // also within the first minute, when nothing was heard but the grant
					settle(20 * time.Second)
					r.restart()
					settle(within)
					h.expect(t, protocol+outside, way)
				}
			})
		})
	}
}

// TestRestartInVain: what is known to be forgotten is not told of any longer.
func TestRestartInVain(t *testing.T) {
	bubble(t, func(t *testing.T, r *router, h *host) {
		r.pcp = true
		h.start(t)
		settle(20 * time.Second)
		r.restart()
		r.with(func() { r.refuse = 8 })
		settle(watchEvery + 5*time.Second)
		h.expect(t, "none", "")
		r.with(func() { r.refuse = 0 })
		settle(retryFirst)
		h.expect(t, "pcp"+outside, way)
	})
}

func TestOuterAddressChanges(t *testing.T) {
	for _, protocol := range []string{"nat-pmp", "upnp"} {
		bubble(t, func(t *testing.T, r *router, h *host) {
			r.pmp, r.upnp = protocol == "nat-pmp", protocol == "upnp"
			h.start(t)
			settle(5 * time.Second)
			r.with(func() { r.outer = netip.MustParseAddr("10.9.8.7") }) // behind a second router
			settle(watchUPnPEvery)
			h.expect(t, protocol+" 10.9.8.7:31877", way)
			if want := []string{protocol + outside, protocol + " 10.9.8.7:31877"}; !slices.Equal(h.told(), want) {
				t.Errorf("told of %q, want %q", h.told(), want)
			}
		})
	}
}

// TestSilence: what is held stands until it ends, and no longer.
func TestSilence(t *testing.T) {
	bubble(t, func(t *testing.T, r *router, h *host) {
		r.pcp = true
		h.start(t)
		settle(time.Second)
		r.with(func() { r.isOff = true })
		settle(2*time.Hour - 30*time.Second)
		h.expect(t, "pcp"+outside, way)
		settle(time.Minute)
		h.expect(t, "none", "")
	})
}

// TestForgedAnswers: who does not know the nonce, or is not the router, is not believed.
func TestForgedAnswers(t *testing.T) {
	evil := netip.MustParseAddr("203.0.113.66")
	pcp := func(change func(*pcpAnswer)) func(datagram) []datagram {
		return func(honest datagram) []datagram {
			a, ok := parsePCP(honest.data)
			if !ok || a.op != opMap {
				return nil
			}
			a.mapping.external = netip.AddrPortFrom(evil, 1)
			change(&a)
			return []datagram{{honest.to, appendPCPAnswer(nil, a)}}
		}
	}
	pmp := func(change func(*pmpAnswer)) func(datagram) []datagram {
		return func(honest datagram) []datagram {
			a, ok := parsePMP(honest.data)
			if !ok || a.result != 0 || a.op != pmpMapUDP {
				return nil
			}
			a.external = 666
			change(&a)
			return []datagram{{honest.to, appendPMPAnswer(nil, a)}}
		}
	}
	from := func(addr string) func(datagram) []datagram {
		return func(honest datagram) []datagram {
			forged := slices.Clone(honest.data)
			forged[len(forged)-1] ^= 1 // the outer address, or the lifetime
			return []datagram{{netip.MustParseAddrPort(addr), forged}}
		}
	}
	for name, c := range map[string]struct {
		protocol string
		forge    func(datagram) []datagram
	}{
		"PCP: other nonce":       {"pcp", pcp(func(a *pcpAnswer) { a.mapping.nonce[3] ^= 1 })},
		"PCP: other port":        {"pcp", pcp(func(a *pcpAnswer) { a.mapping.internal++ })},
		"PCP: TCP":               {"pcp", pcp(func(a *pcpAnswer) { a.mapping.protocol = 6 })},
		"PCP: other operation":   {"pcp", pcp(func(a *pcpAnswer) { a.op = 2 })},
		"PCP: no lifetime":       {"pcp", pcp(func(a *pcpAnswer) { a.lifetime = 0 })},
		"PCP: refused by others": {"pcp", pcp(func(a *pcpAnswer) { a.result, a.mapping.nonce = 2, [12]byte{} })},
		"PCP: refused shortly":   {"pcp", pcp(func(a *pcpAnswer) { a.result, a.mapping = 2, pcpMapping{} })},
		"PCP: multicast": {"pcp", pcp(func(a *pcpAnswer) {
			a.mapping.external = netip.MustParseAddrPort("224.0.0.1:9")
		})},
		"PCP: from another":      {"pcp", from("192.168.1.66:5351")},
		"PCP: from another port": {"pcp", from(routerAddr + ":5350")},
		"NAT-PMP: other port":    {"nat-pmp", pmp(func(a *pmpAnswer) { a.internal++ })},
		"NAT-PMP: no lifetime":   {"nat-pmp", pmp(func(a *pmpAnswer) { a.lifetime = 0 })},
		"NAT-PMP: port 0":        {"nat-pmp", pmp(func(a *pmpAnswer) { a.external = 0 })},
		"NAT-PMP: other op":      {"nat-pmp", pmp(func(a *pmpAnswer) { a.op = 2 })},
		"NAT-PMP: from another":  {"nat-pmp", from("192.168.1.66:5351")},
		"NAT-PMP: wrong port":    {"nat-pmp", from(routerAddr + ":1")},
		"NAT-PMP: not asked for": {"nat-pmp", func(d datagram) []datagram {
			return []datagram{{d.to, appendPMPAnswer(nil, pmpAnswer{
				op: pmpMapUDP, internal: ourPort, external: 666, lifetime: 7200,
			})}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *router, h *host) {
				r.pcp, r.pmp = c.protocol == "pcp", c.protocol == "nat-pmp"
				if strings.Contains(name, "not asked for") { // before the address is known, that is
					forge, once := c.forge, false
					c.forge = func(d datagram) (out []datagram) {
						if a, ok := parsePMP(d.data); ok && a.op == pmpAddress && !once {
							once, out = true, forge(d)
						}
						return out
					}
				}
				r.forge = c.forge
				h.start(t)
				settle(1500 * time.Millisecond)
				h.expect(t, c.protocol+outside, way)
				if m, _ := h.Current(); time.Until(m.Expires).Round(time.Hour) != 2*time.Hour {
					t.Errorf("expires in %v", time.Until(m.Expires))
				}
			})
		})
	}
}

// TestRefusal: a refusal of one is no reason not to ask by the next.
func TestRefusal(t *testing.T) {
	bubble(t, func(t *testing.T, r *router, h *host) {
		r.pcp, r.pmp, r.upnp, r.refuse = true, true, true, 2
		h.start(t)
		settle(100 * time.Millisecond)
		h.expect(t, "upnp"+outside, way)
	})
}

// TestRefresh: delete and add, once a minute at most, and nobody is told when the outcome is the
// same.
func TestRefresh(t *testing.T) {
	for protocol, want := range map[string][]string{
		"pcp":     {"pcp 7200", "pcp 0", "pcp 7200"},
		"nat-pmp": {"nat-pmp 7200", "nat-pmp 0", "nat-pmp 7200"},
		"upnp":    {"upnp 31877 7200", "upnp delete 31877", "upnp 31877 7200"},
	} {
		bubble(t, func(t *testing.T, r *router, h *host) {
			r.pcp, r.pmp, r.upnp = protocol == "pcp", protocol == "nat-pmp", protocol == "upnp"
			h.start(t)
			settle(2 * time.Second)
			for range 20 {
				h.Refresh()
				settle(2 * time.Second)
			}
			if !slices.Equal(r.did(), want) {
				t.Errorf("asked for %q, want %q", r.did(), want)
			}
			settle(25 * time.Second) // what was ordered in that minute is not forgotten
			if want := append(want, want[1:]...); !slices.Equal(r.did(), want) {
				t.Errorf("asked for %q after a minute, want %q", r.did(), want)
			}
			settle(time.Hour - 2*time.Minute)
			if n := len(r.did()); n != 5 || len(h.told()) != 1 {
				t.Errorf("asked %d times, told of %q", n, h.told())
			}
		})
	}
}

// TestAnotherRouter: the host moves, the router gets another address, there is none for a while.
func TestAnotherRouter(t *testing.T) {
	bubble(t, func(t *testing.T, r *router, h *host) {
		r.pcp = true
		h.start(t)
		settle(10 * time.Second)
		h.move("", "")
		settle(10 * time.Minute)
		h.expect(t, "none", way)
		h.mu.Lock()
		if h.opened != 1 {
			t.Errorf("%d sockets opened, most of them with no router there", h.opened)
		}
		h.mu.Unlock()
		other := newRouter(t)
		other.addr, other.pmp = netip.MustParseAddr("10.0.0.1"), true
		h.mu.Lock()
		h.router = other
		h.mu.Unlock()
		h.move("10.0.0.1", "10.0.0.2")
		settle(gatewayGap)
		h.expect(t, "nat-pmp"+outside, way)
		h.mu.Lock() // and nobody says so
		h.gateway, h.local, h.router = routerAddr, hostAddr, r
		h.mu.Unlock()
		settle(watchEvery)
		h.expect(t, "pcp"+outside, way)
	})
}

func (h *host) move(gateway, local string) {
	h.mu.Lock()
	h.gateway, h.local = gateway, local
	h.mu.Unlock()
	h.Changed()
}

// TestChangedOften: a change renews with the router that is still the same, but not all the time.
func TestChangedOften(t *testing.T) {
	bubble(t, func(t *testing.T, r *router, h *host) {
		r.pcp = true
		h.start(t)
		settle(10 * time.Second)
		r.with(func() { r.mappings = map[uint16]entry{} }) // as after a night
		h.Changed()
		settle(0)
		h.expect(t, "pcp"+outside, way)
		for range 600 {
			h.Changed()
			settle(100 * time.Millisecond)
		}
		if n := len(r.did()); n < 10 || n > 15 {
			t.Errorf("asked %d times in a minute", n)
		}
	})
}

// TestWhoIsAsked: only what may be a NAT of the user's own or of the carrier.
func TestWhoIsAsked(t *testing.T) {
	for _, c := range []struct {
		gateway, local string
		ok             bool
	}{
		{routerAddr, hostAddr, true},
		{"::ffff:192.168.1.1", hostAddr, true},
		{"100.64.0.1", "100.64.3.4", true},
		{"203.0.113.1", "203.0.113.9", false},
		{routerAddr, "203.0.113.9", false},
		{"203.0.113.1", hostAddr, false},
		{"fe80::1", "fd00::9", false},
		{"0.0.0.0", hostAddr, false},
	} {
		m := New(Options{Gateway: func() (gateway, local netip.Addr, ok bool) {
			return netip.MustParseAddr(c.gateway), netip.MustParseAddr(c.local), true
		}})
		if _, _, ok := m.gateway(); ok != c.ok {
			t.Errorf("%s from %s: asked %v, want %v", c.gateway, c.local, ok, c.ok)
		}
	}
}

// TestOwnNonce: a node that was killed renews what it left behind, with the same nonce.
func TestOwnNonce(t *testing.T) {
	for _, nonce := range [][12]byte{testNonce, {}} {
		bubble(t, func(t *testing.T, r *router, h *host) {
			r.pcp = true
			o := h.options()
			o.Nonce = nonce
			h.Mapper = New(o)
			h.start(t)
			settle(0)
			var got [12]byte
			r.with(func() { got = r.mappings[ourPort].nonce })
			if (got == testNonce) != (nonce == testNonce) || got == [12]byte{} {
				t.Errorf("nonce %q for %q", got, nonce)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	for speaks, want := range map[string]Support{
		"":                 {},
		"pcp":              {PCP: true},
		"nat-pmp":          {NATPMP: true},
		"upnp":             {UPnP: true},
		"pcp nat-pmp upnp": {PCP: true, NATPMP: true, UPnP: true},
	} {
		bubble(t, func(t *testing.T, r *router, h *host) {
			r.pcp, r.pmp = strings.Contains(speaks, "pcp"), strings.Contains(speaks, "pmp")
			r.upnp = strings.Contains(speaks, "upnp")
			if r.pmp || r.upnp {
				want.External = r.outer
			}
			began := time.Now()
			if got := h.Probe(t.Context()); got != want {
				t.Errorf("%q: %+v, want %+v", speaks, got, want)
			}
			if d := time.Since(began); d > probeLimit || speaks != "" && want.PCP && want.UPnP && d > 0 {
				t.Errorf("%q: took %v", speaks, d)
			}
			h.expect(t, "none", "")
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			r.with(func() { r.isOff = true })
			if got := h.Probe(ctx); got != (Support{}) {
				t.Errorf("%q: %+v of a router that is off", speaks, got)
			}
		})
	}
}

// TestSlowWeb: a router that takes an HTTP connection and says nothing holds nobody up for long.
func TestSlowWeb(t *testing.T) {
	bubble(t, func(t *testing.T, r *router, h *host) {
		r.upnp = true
		r.page = func(_ http.ResponseWriter, req *http.Request) bool {
			<-req.Context().Done()
			return true
		}
		began := time.Now()
		if got := h.Probe(t.Context()); got.UPnP || time.Since(began) > probeLimit {
			t.Errorf("%+v after %v", got, time.Since(began))
		}
	})
}

// TestLoopback leads a talk over a socket of this machine.
func TestLoopback(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		b := make([]byte, 100)
		for n := 0; ; n++ { // the first question is lost
			size, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			if size < pcpMapLen {
				continue
			}
			if a, ok := parsePCP(append([]byte{2, b[1] | answerBit, 0, 0}, b[4:size]...)); ok && n > 0 {
				a.lifetime, a.mapping.external = 7200, netip.MustParseAddrPort("198.51.100.7:9")
				_, _ = server.WriteTo(appendPCPAnswer(nil, a), from)
			}
		}
	}()
	m := New(Options{Port: ourPort})
	local := netip.MustParseAddr("127.0.0.1")
	a := &asking{
		server:  server.LocalAddr().(*net.UDPAddr).AddrPort(),
		request: pcpRequest{op: opMap, client: local, internal: ourPort, lifetime: 7200},
	}
	err = m.converse(t.Context(), local, time.Minute, a)
	if err != nil || a.granted.external.String() != "198.51.100.7:9" {
		t.Errorf("granted %+v, %v", a.granted, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.converse(ctx, local, time.Minute, &asking{server: a.server}); err == nil {
		t.Error("a talk without time is no error")
	}
	elsewhere := netip.MustParseAddr("198.51.100.1")
	if err := m.converse(t.Context(), elsewhere, time.Minute, a); err == nil {
		t.Error("a talk from an address that is not ours is no error")
	}
}
