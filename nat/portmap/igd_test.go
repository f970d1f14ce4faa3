package portmap

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestUPnPFaults: routers that know no lifetimes, ports that are somebody else's, and refusals.
func TestUPnPFaults(t *testing.T) {
	const taken, denied = portConflict, 606
	for name, c := range map[string]struct {
		faults    map[uint16]int
		permanent bool
		want      string
		asked     []string
	}{
		"only permanent": {nil, true, "31877", []string{"upnp 31877 7200", "upnp 31877 0"}},
		"one taken": {
			map[uint16]int{31877: taken}, false, "31878", []string{"upnp 31877 7200", "upnp 31878 7200"},
		},
		"three taken": {
			map[uint16]int{31877: taken, 31878: taken, 31879: taken},
			true, "31880",
			[]string{"upnp 31877 7200", "upnp 31877 0", "upnp 31878 0", "upnp 31879 0", "upnp 31880 0"},
		},
		"four taken": {
			map[uint16]int{31877: taken, 31878: taken, 31879: taken, 31880: taken},
			false, "",
			[]string{"upnp 31877 7200", "upnp 31878 7200", "upnp 31879 7200", "upnp 31880 7200"},
		},
		"denied": {map[uint16]int{31877: denied}, false, "", []string{"upnp 31877 7200"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *router, h *host) {
				r.upnp, r.faults, r.onlyPermanent = true, c.faults, c.permanent
				h.start(t)
				settle(5 * time.Second)
				if c.want == "" {
					h.expect(t, "none", "")
				} else {
					h.expect(t, "upnp 198.51.100.7:"+c.want, c.want+">192.168.1.9:31877")
				}
				m, ok := h.Current()
				if ok && (m.Permanent != c.permanent || m.Expires.IsZero() != c.permanent) {
					t.Errorf("mapping %+v", m)
				}
				if !slices.Equal(r.did(), c.asked) {
					t.Errorf("asked for %q, want %q", r.did(), c.asked)
				}
				if c.permanent {
					settle(48 * time.Hour)
					h.expect(t, "upnp 198.51.100.7:"+c.want, c.want+">192.168.1.9:31877")
				}
				if err := h.stop(); err != nil {
					t.Error(err)
				}
				h.expect(t, "none", "")
			})
		})
	}
}

// TestHostileUPnP: nothing that is said on the LAN sends a request anywhere but to the router, or
// takes more than its share of memory.
func TestHostileUPnP(t *testing.T) {
	redirect := func(w http.ResponseWriter, req *http.Request) bool {
		http.Redirect(w, req, "http://192.0.2.66/", http.StatusTemporaryRedirect)
		return true
	}
	for name, evil := range map[string]func(r *router){
		"location elsewhere":    func(r *router) { r.location = "http://192.0.2.66/rootDesc.xml" },
		"location by name":      func(r *router) { r.location = "http://router.example/rootDesc.xml" },
		"location with a user":  func(r *router) { r.location = "http://192.168.1.1@192.0.2.66/" },
		"location of a file":    func(r *router) { r.location = "file://192.168.1.1/etc/passwd" },
		"no location":           func(r *router) { r.location = "" },
		"control URL elsewhere": func(r *router) { r.controlURL = "http://192.0.2.66/ctl" },
		"description of an error": func(r *router) {
			r.page = func(w http.ResponseWriter, req *http.Request) bool {
				if req.Method == http.MethodGet {
					w.WriteHeader(http.StatusNotFound) // and the usual description
				}
				return false
			}
		},
		"description redirects": func(r *router) { r.page = redirect },
		"control redirects": func(r *router) {
			r.page = func(w http.ResponseWriter, req *http.Request) bool {
				return req.Method == http.MethodPost && redirect(w, req)
			}
		},
		"URLBase elsewhere": func(r *router) {
			r.page = func(w http.ResponseWriter, req *http.Request) bool {
				if req.Method != http.MethodGet {
					return false
				}
				_, _ = w.Write([]byte(strings.Replace(strings.Replace(rootDesc, "%s", "/ctl/IPConn", 1),
					"<device>", "<URLBase>http://192.0.2.66/</URLBase><device>", 1)))
				return true
			}
		},
		"answer from another": func(r *router) {
			r.forge = func(honest datagram) []datagram {
				honest.to = netip.MustParseAddrPort("192.168.1.66:1900")
				forged := strings.Replace(string(honest.data), ":5000/", ":6666/", 1)
				return []datagram{{honest.to, []byte(forged)}}
			}
		},
		"big description":  func(r *router) { r.page = flood(http.MethodGet) },
		"big answer":       func(r *router) { r.page = flood(http.MethodPost) },
		"no outer address": func(r *router) { r.outer = netip.MustParseAddr("0.0.0.0") },
		"outer of IPv6":    func(r *router) { r.outer = netip.MustParseAddr("2001:db8::1") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *router, h *host) {
				r.upnp = true
				evil(r)
				h.start(t)
				settle(10 * time.Second)
				if name == "answer from another" {
					h.expect(t, "upnp"+outside, way)
				} else {
					h.expect(t, "none", "")
				}
				for _, address := range r.addresses() {
					if address != routerAddr+":5000" {
						t.Errorf("dialled %s", address)
					}
				}
			})
		})
	}
}

// flood answers requests of a method with well-formed XML that never gets to the point.
func flood(method string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != method {
			return false
		}
		head, rest, _ := strings.Cut(strings.Replace(rootDesc, "%s", "/ctl/IPConn", 1), "<device>")
		if method == http.MethodPost {
			head = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>`
			rest = `<u:R xmlns:u="x"><NewExternalIPAddress>198.51.100.7</NewExternalIPAddress></u:R>` +
				`</s:Body></s:Envelope>`
		} else {
			rest = "<device>" + rest
		}
		_, _ = w.Write([]byte(head + "<!--" + strings.Repeat("x", webBodyLimit) + "-->" + rest))
		return true
	}
}

// TestUPnPTableChanges: a mapping that points elsewhere by now is as lost as one that is gone.
func TestUPnPTableChanges(t *testing.T) {
	for name, change := range map[string]func(r *router){
		"gone":          func(r *router) { delete(r.mappings, ourPort) },
		"other port":    func(r *router) { r.mappings[ourPort] = entry{client: hostAddr, internal: 1} },
		"somebody else": func(r *router) { r.mappings[ourPort] = entry{client: "192.168.1.66", internal: ourPort} },
	} {
		bubble(t, func(t *testing.T, r *router, h *host) {
			r.upnp = true
			h.start(t)
			settle(5 * time.Second)
			r.with(func() { change(r) })
			settle(watchUPnPEvery)
			if h.expect(t, "upnp"+outside, way); t.Failed() {
				t.Log(name)
			}
		})
	}
}

func TestIsAt(t *testing.T) {
	for text, want := range map[string]bool{
		"http://192.168.1.1/x": true, "http://192.168.1.1:5000": true, "http://[::ffff:192.168.1.1]/": true,
		"https://192.168.1.1/": false, "http://192.168.1.10/": false, "http:192.168.1.1": false,
		"http://192.168.1.1.example/": false, "http://u@192.168.1.1/": true, "//192.168.1.1/": false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := isAt(u, netip.MustParseAddr(routerAddr)); got != want {
			t.Errorf("%s is at the router: %v, want %v", text, got, want)
		}
	}
}
