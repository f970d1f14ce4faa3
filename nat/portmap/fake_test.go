package portmap

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A router is a whole one, in memory: PCP, NAT-PMP, UPnP, and the LAN in front of it.
//
//	host 192.168.1.9 ------ 192.168.1.1 router 198.51.100.7
type router struct {
	mu       sync.Mutex
	addr     netip.Addr
	outer    netip.Addr
	started  time.Time
	lifetime uint32 // the most that is granted
	mappings map[uint16]entry
	asked    []string // what it was asked to do, in order
	sent     []time.Duration
	began    time.Time

	pcp, pmp, upnp bool
	isOff          bool                             // answers nothing
	refuse         uint8                            // PCP's and NAT-PMP's result to every mapping
	lose           int                              // so many datagrams to come get lost
	forge          func(honest datagram) []datagram // what arrives before each answer; to is from whom
	location       string
	page           func(w http.ResponseWriter, r *http.Request) bool // takes an HTTP request over
	controlURL     string
	faults         map[uint16]int // UPnP errors by outer port
	onlyPermanent  bool
	http           *http.Server
	dials          chan net.Conn
	dialled        []string
}

type entry struct {
	client   string
	internal uint16
	ends     time.Time
	nonce    [12]byte
}

const (
	routerAddr = "192.168.1.1"
	hostAddr   = "192.168.1.9"
	ourPort    = 31877
)

func newRouter(t *testing.T) *router {
	now := time.Now()
	r := &router{
		addr: netip.MustParseAddr(routerAddr), outer: netip.MustParseAddr("198.51.100.7"),
		started: now.Add(-time.Hour), began: now, lifetime: 7200, mappings: map[uint16]entry{},
		location: "http://" + routerAddr + ":5000/rootDesc.xml", controlURL: "/ctl/IPConn",
		dials: make(chan net.Conn),
	}
	r.http = &http.Server{Handler: r}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = r.http.Serve(r)
	}()
	t.Cleanup(func() { r.http.Close(); <-over })
	return r
}

// Accept, Close and Addr make a listener of it.
func (r *router) Accept() (net.Conn, error) {
	if c, ok := <-r.dials; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (r *router) Close() error {
	close(r.dials)
	return nil
}

func (r *router) Addr() net.Addr { return &net.TCPAddr{} }

func (r *router) dial(ctx context.Context, _, address string) (net.Conn, error) {
	r.mu.Lock()
	r.dialled = append(r.dialled, address)
	off := r.isOff
	r.mu.Unlock()
	if off || !strings.HasPrefix(address, r.addr.String()+":") {
		return nil, os.ErrDeadlineExceeded
	}
	near, far := net.Pipe()
	select {
	case r.dials <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// restart loses everything, as a router does that has no battery.
func (r *router) restart() {
	r.with(func() { r.started, r.mappings = time.Now(), map[uint16]entry{} })
}

func (r *router) with(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// did is what it was asked to do, times when anything came in, addresses what was dialled.
func (r *router) did() (out []string) {
	r.with(func() { out = slices.Clone(r.asked) })
	return out
}

func (r *router) times() (out []time.Duration) {
	r.with(func() { out = slices.Clone(r.sent) })
	return out
}

func (r *router) addresses() (out []string) {
	r.with(func() { out = slices.Clone(r.dialled) })
	return out
}

// ways lists the mappings that have not ended.
func (r *router) ways() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for port, e := range r.mappings {
		if e.ends.IsZero() || time.Now().Before(e.ends) {
			out = append(out, fmt.Sprintf("%d>%s:%d", port, e.client, e.internal))
		}
	}
	return strings.Join(out, " ")
}

// answer is what the router sends back for a datagram.
func (r *router) answer(d datagram) []datagram {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, time.Since(r.began))
	if r.lose > 0 {
		r.lose--
		return nil
	}
	if r.isOff {
		return nil
	}
	var b []byte
	from := netip.AddrPortFrom(r.addr, serverPort)
	switch {
	case d.to.Port() == ssdpPort && r.upnp && (d.to.Addr() == r.addr || d.to.Addr().IsMulticast()):
		b = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nST: x\r\nUSN: uuid:1\r\nLOCATION: %s\r\n\r\n", r.location)
		from = netip.AddrPortFrom(r.addr, ssdpPort)
	case d.to == from && d.data[0] == pcpVersion:
		b = r.answerPCP(d.data)
	case d.to == from && r.pmp:
		b = r.answerPMP(d.data)
	}
	if b == nil {
		return nil
	}
	honest := datagram{from, b}
	if r.forge == nil {
		return []datagram{honest}
	}
	return append(r.forge(honest), honest)
}

func (r *router) epoch() uint32 { return uint32(time.Since(r.started) / time.Second) }

func (r *router) answerPCP(b []byte) []byte {
	if !r.pcp && r.pmp { // RFC 6886, 3.5
		return appendPMPAnswer(nil, pmpAnswer{op: b[1], result: resultVersion, epoch: r.epoch()})
	}
	if !r.pcp {
		return nil
	}
	a := pcpAnswer{op: b[1], epoch: r.epoch()}
	if a.op == opMap {
		q, _ := parsePCP(append([]byte{2, b[1] | answerBit, 0, 0}, b[4:]...)) // laid out alike
		a.lifetime = min(be32(b[4:]), r.lifetime)
		a.mapping, a.result = q.mapping, r.refuse
		if a.result == 0 {
			r.change("pcp", &a.mapping.external, a.lifetime, entry{
				client: netip.AddrFrom16([16]byte(b[8:24])).Unmap().String(), internal: q.mapping.internal,
				nonce: q.mapping.nonce,
			})
		}
	}
	return appendPCPAnswer(nil, a)
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func (r *router) answerPMP(b []byte) []byte {
	a := pmpAnswer{op: b[1], epoch: r.epoch(), address: r.outer}
	if a.op == pmpMapUDP {
		a.internal, a.external = uint16(be32(b[4:])>>16), uint16(be32(b[4:]))
		a.lifetime, a.result = min(be32(b[8:]), r.lifetime), uint16(r.refuse)
		if a.result == 0 {
			external := netip.AddrPortFrom(r.outer, a.external)
			r.change("nat-pmp", &external, a.lifetime, entry{client: hostAddr, internal: a.internal})
			a.external = external.Port()
		}
	}
	return appendPMPAnswer(nil, a)
}

// change maps or, with no lifetime, deletes by the internal port.
func (r *router) change(protocol string, external *netip.AddrPort, lifetime uint32, e entry) {
	r.asked = append(r.asked, fmt.Sprintf("%s %d", protocol, lifetime))
	if lifetime == 0 {
		for port, old := range r.mappings {
			if old.internal == e.internal && old.nonce == e.nonce {
				delete(r.mappings, port)
			}
		}
		return
	}
	port := external.Port()
	for old, taken := r.mappings[port]; taken && old.client != e.client; old, taken = r.mappings[port] {
		port++
	}
	e.ends = time.Now().Add(seconds(lifetime))
	r.mappings[port] = e
	*external = netip.AddrPortFrom(r.outer, port)
}

const rootDesc = `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:WANPPPConnection:1</serviceType>
<controlURL>/ctl/PPP</controlURL></service><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<controlURL>%s</controlURL></service></serviceList></device></deviceList></device></root>`

// ServeHTTP is the UPnP part. Its connection over PPP is down.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.page != nil && r.page(w, req) {
		return
	}
	if req.Method == http.MethodGet {
		fmt.Fprintf(w, rootDesc, r.controlURL)
		return
	}
	body, _ := io.ReadAll(req.Body)
	var call struct {
		Body struct {
			Action struct {
				XMLName  xml.Name
				Port     uint16 `xml:"NewExternalPort"`
				Internal uint16 `xml:"NewInternalPort"`
				Client   string `xml:"NewInternalClient"`
				Lease    uint32 `xml:"NewLeaseDuration"`
			} `xml:",any"`
		} `xml:"Body"`
	}
	if err := xml.Unmarshal(body, &call); err != nil {
		panic(err)
	}
	a := call.Body.Action
	result := ""
	code := r.faults[a.Port]
	switch a.XMLName.Local {
	case "GetExternalIPAddress":
		result = "<NewExternalIPAddress>" + r.outer.String() + "</NewExternalIPAddress>"
		if req.URL.Path == "/ctl/PPP" {
			result = "<NewExternalIPAddress>0.0.0.0</NewExternalIPAddress>"
		}
	case "AddPortMapping":
		if r.onlyPermanent && a.Lease != 0 {
			code = onlyPermanents
		}
		r.asked = append(r.asked, fmt.Sprintf("upnp %d %d", a.Port, a.Lease))
		if code == 0 {
			e := entry{client: a.Client, internal: a.Internal}
			if a.Lease != 0 {
				e.ends = time.Now().Add(seconds(a.Lease))
			}
			r.mappings[a.Port] = e
		}
	case "DeletePortMapping":
		r.asked = append(r.asked, fmt.Sprintf("upnp delete %d", a.Port))
		delete(r.mappings, a.Port)
	case "GetSpecificPortMappingEntry":
		e, ok := r.mappings[a.Port]
		if !ok {
			code = noSuchEntry
		}
		result = fmt.Sprintf("<NewInternalPort>%d</NewInternalPort><NewInternalClient>%s"+
			"</NewInternalClient><NewEnabled>1</NewEnabled><NewPortMappingDescription>vxmesh"+
			"</NewPortMappingDescription><NewLeaseDuration>0</NewLeaseDuration>", e.internal, e.client)
	}
	if code != 0 {
		w.WriteHeader(http.StatusInternalServerError)
		result = fmt.Sprintf("<s:Fault><faultcode>s:Client</faultcode><detail><UPnPError>"+
			"<errorCode>%d</errorCode></UPnPError></detail></s:Fault>", code)
	} else {
		result = fmt.Sprintf(`<u:%sResponse xmlns:u="x">%s</u:%[1]sResponse>`, a.XMLName.Local, result)
	}
	fmt.Fprintf(w, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body>`+
		`</s:Envelope>`, result)
}

// A socket is the host's, on that LAN.
type socket struct {
	router   *router
	in       chan datagram
	closed   chan struct{}
	once     sync.Once
	deadline time.Time
}

func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	timer := time.NewTimer(time.Until(s.deadline))
	defer timer.Stop()
	select {
	case d := <-s.in:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.to), nil
	case <-s.closed:
		return 0, nil, net.ErrClosed
	case <-timer.C:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	for _, d := range s.router.answer(datagram{to.(*net.UDPAddr).AddrPort(), b}) {
		s.in <- d
	}
	return len(b), nil
}

func (s *socket) Close() error                       { s.once.Do(func() { close(s.closed) }); return nil }
func (s *socket) LocalAddr() net.Addr                { return &net.UDPAddr{} }
func (s *socket) SetDeadline(time.Time) error        { return nil }
func (s *socket) SetWriteDeadline(time.Time) error   { return nil }
func (s *socket) SetReadDeadline(at time.Time) error { s.deadline = at; return nil }

// A host runs a mapper in front of a router.
type host struct {
	*Mapper
	mu      sync.Mutex
	router  *router
	gateway string
	local   string
	changes []string
	opened  int // sockets
	stop    func() error
}

// options are those of a host on the router's LAN.
func (h *host) options() Options {
	return Options{
		Port: ourPort, Log: slog.New(slog.DiscardHandler),
		Gateway: func() (gateway, local netip.Addr, ok bool) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.gateway == "" {
				return netip.Addr{}, netip.Addr{}, false
			}
			return netip.MustParseAddr(h.gateway), netip.MustParseAddr(h.local), true
		},
		OnChange: func(m Mapping, ok bool) {
			text := "none"
			if ok {
				text = m.Protocol + " " + m.External.String()
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changes = append(h.changes, text)
		},
		ListenPacket: func(_ context.Context, _, address string) (net.PacketConn, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.opened++
			if address != h.local+":0" {
				return nil, fmt.Errorf("a socket at %s, not at %s", address, h.local)
			}
			return &socket{router: h.router, in: make(chan datagram, 64), closed: make(chan struct{})}, nil
		},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			h.mu.Lock()
			r := h.router
			h.mu.Unlock()
			return r.dial(ctx, network, address)
		},
	}
}

func newHost(r *router) *host {
	h := &host{router: r, gateway: r.addr.String(), local: hostAddr}
	h.Mapper = New(h.options())
	return h
}

// told is what the mapper told of.
func (h *host) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.changes)
}

// start runs the mapper until the test ends or stop is called, whichever is first.
func (h *host) start(t *testing.T) *host {
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- h.Run(ctx) }()
	h.stop = sync.OnceValue(func() error { cancel(); return <-over })
	t.Cleanup(func() { _ = h.stop() })
	return h
}

// expect compares what the mapper tells, and what the router has.
func (h *host) expect(t *testing.T, current, ways string) {
	t.Helper()
	text := "none"
	if m, ok := h.Current(); ok {
		text = m.Protocol + " " + m.External.String()
	}
	if text != current {
		t.Errorf("mapping %q, want %q", text, current)
	}
	if got := h.router.ways(); got != ways {
		t.Errorf("the router has %q, want %q", got, ways)
	}
}
