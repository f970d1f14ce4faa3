package tunnel_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// Whole nodes on an internet in memory, in a time that passes only when nobody has anything to do:
//
//	device 1 - member 1 (192.0.2.1:20001) --+-- member 2 (192.0.2.2:20002) - device 2
//	                                        +-- member 3 (192.0.2.3:20003) - device 3
//
// Every member has one segment, 7, with the stations behind its device, and knows the others by
// the names m1, m2, ...

// A world is the internet of one test and its members.
type world struct {
	t       *testing.T
	net     *simnet.Internet
	seed    uint64
	origin  time.Time
	members []*member

	mu     sync.Mutex // guards what follows, which the internet's tap reads
	silent map[netip.Addr]bool
	watch  func(from, to netip.AddrPort, datagram []byte) bool
}

// simulate runs f in a world of its own, whose members have ended when it returns.
func simulate(t *testing.T, seed uint64, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, net: simnet.New(seed), seed: seed, origin: time.Now(),
			silent: make(map[netip.Addr]bool),
		}
		w.net.Tap(w.tap)
		defer w.net.Close()
		defer func() {
			for _, m := range w.members {
				m.stop()
			}
		}()
		f(w)
	})
}

// tap sees every datagram, and loses those of the silent.
func (w *world) tap(from, to netip.AddrPort, datagram []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent[from.Addr()] || w.silent[to.Addr()] {
		return false
	}
	return w.watch == nil || w.watch(from, to, datagram)
}

// tapping has f see every datagram from now on; it says whether the datagram goes on.
func (w *world) tapping(f func(from, to netip.AddrPort, datagram []byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch = f
}

// silence cuts a member off, or ends that.
func (w *world) silence(m *member, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent[m.addr.Addr()] = on
}

// A member is a node of a world.
type member struct {
	*tunnel.Node
	w       *world
	i       int
	name    string
	host    *simnet.Host
	addr    netip.AddrPort
	options tunnel.Options
	device  *tundevtest.Device
	log     *recorder
	events  *control.Hub
	end     func() // nil while it does not run

	mu     sync.Mutex // guards the rest, its clock
	moving sync.Cond
	frozen bool
	ahead  time.Duration
}

// nodeKey is the private key of the i-th member.
func nodeKey(i int) session.PrivateKey {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("key"), uint64(i)))
}

// memberAddr is where the i-th member listens.
func memberAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(2 + i>>8), byte(i)}), uint16(20000+i))
}

var (
	bare      = offload.Header{} // of a finished frame
	everybody = ether.Broadcast
)

// station is the address of a host behind member i.
func station(i int) ether.MAC { return ether.MAC{2, 0, 0, 0, 0, byte(i)} }

// add makes a member that is at an address of its own and knows nobody. It does not run yet.
func (w *world) add() *member {
	addr := memberAddr(len(w.members) + 1)
	return w.addOn(w.net.Host(addr.Addr()), addr)
}

// addOn makes a member on a host of its own, which listens at an address.
func (w *world) addOn(host *simnet.Host, addr netip.AddrPort) *member {
	i := len(w.members) + 1
	m := &member{w: w, i: i, name: fmt.Sprintf("m%d", i), addr: addr, host: host, log: new(recorder)}
	m.events = new(control.Hub)
	m.moving.L = &m.mu
	any4 := netip.AddrPortFrom(netip.IPv4Unspecified(), m.addr.Port())
	m.options = tunnel.Options{
		Name: m.name, ListenUDP: m.host.Listen, Now: m.clock, OpenDevice: m.open,
		Lookup: func(context.Context, []string) ([]netip.AddrPort, error) { return nil, nil },
		Events: m.events, Log: slog.New(slog.NewTextHandler(m.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Mesh: tunnel.MeshOptions{
			Key: nodeKey(i), ID: [32]byte{byte(i)}, Epoch: 1, Listen: []netip.AddrPort{any4},
		},
		Segments: []tunnel.SegmentOptions{{
			VNI: 7,
			Device: tunnel.DeviceOptions{
				Name: fmt.Sprintf("none%d", i), MAC: ether.MAC{2, 0, 0, 0, 1, byte(i)},
			},
			FDB: bridge.Options{Learn: true, Ageing: 5 * time.Minute},
		}},
	}
	w.members = append(w.members, m)
	return m
}

// knows makes others peers of the member, in segment 7.
func (m *member) knows(others ...*member) *member {
	for _, o := range others {
		m.options.Mesh.Peers = append(m.options.Mesh.Peers, o.asPeer())
		m.options.Segments[0].Peers = append(m.options.Segments[0].Peers, o.name)
	}
	return m
}

// calledBy has the member wait for a peer that it knows to call, and keep nothing open for it.
func (m *member) calledBy(other *member) {
	for i := range m.options.Mesh.Peers {
		if p := &m.options.Mesh.Peers[i]; p.Name == other.name {
			p.Endpoints, p.Keepalive = nil, 0
		}
	}
}

// asPeer is the member as others have it in their configs.
func (m *member) asPeer() tunnel.PeerOptions {
	return tunnel.PeerOptions{
		Name: m.name, Key: m.options.Mesh.Key.Public(), Endpoints: []string{m.addr.String()},
		Keepalive: 25 * time.Second,
	}
}

// pair makes two members that know each other. They do not run yet.
func (w *world) pair() (a, b *member) {
	a, b = w.add(), w.add()
	a.knows(b)
	b.knows(a)
	return a, b
}

// link is the way between two members.
func (w *world) link(a, b *member) *simnet.Link { return w.net.Link(a.host, b.host) }

// open makes the member's device; tests that want another kind set OpenDevice.
func (m *member) open(o tundev.Options) (tundev.Device, error) {
	m.device = tundevtest.NewWith(o, tundev.Offloads{Csum: true, TSO: true, USO: true})
	return m.device, nil
}

// plainDevice gives the member a device that takes finished frames only.
func (m *member) plainDevice() {
	m.options.OpenDevice = func(o tundev.Options) (tundev.Device, error) {
		m.device = tundevtest.NewWith(o, tundev.Offloads{})
		return m.device, nil
	}
}

// clock is the member's time; it stands still, and who asks with it, while the member is frozen.
func (m *member) clock() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.frozen {
		m.moving.Wait()
	}
	return time.Since(m.w.origin) + m.ahead
}

// freeze stops all that the member does at the next look at the clock.
func (m *member) freeze() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frozen = true
}

// thaw lets it go on.
func (m *member) thaw() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frozen = false
	m.moving.Broadcast()
}

// start runs members until the world ends.
func start(members ...*member) {
	for _, m := range members {
		m.start()
	}
}

func (m *member) start() {
	m.w.t.Helper()
	n, err := tunnel.New(m.options)
	if err != nil {
		m.w.t.Fatalf("%s: %v", m.name, err)
	}
	m.Node = n
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	m.end = func() {
		cancel()
		if err := <-done; err != nil {
			m.w.t.Errorf("%s ended: %v", m.name, err)
		}
	}
}

// stop ends the member as SIGTERM does.
func (m *member) stop() {
	if m.end != nil {
		m.thaw()
		m.end()
		m.end = nil
	}
}

// kill ends the member without a word to anybody.
func (m *member) kill() {
	m.w.silence(m, true)
	m.stop()
	m.w.silence(m, false)
}

// restart begins again what was stopped or killed, with the next epoch.
func (m *member) restart() {
	m.options.Mesh.Epoch++
	m.start()
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d) // of the bubble: everybody does all there is to do meanwhile
	synctest.Wait()
}

// within lets time pass in steps until a condition holds, for d at most, and says how long it took.
func (w *world) within(d time.Duration, what string, holds func() bool) time.Duration {
	w.t.Helper()
	const step = 10 * time.Millisecond
	began := time.Now()
	synctest.Wait()
	for !holds() {
		if time.Since(began) >= d {
			w.t.Fatalf("%s: not within %v", what, d)
		}
		w.pass(step)
	}
	return time.Since(began)
}

// up waits until all members that run have a proven path to all their peers.
func (w *world) up(d time.Duration) time.Duration {
	w.t.Helper()
	return w.within(d, "all pairs are up", func() bool {
		for _, m := range w.members {
			if m.end != nil && slices.ContainsFunc(m.Peers().Peers, func(p control.Peer) bool {
				return p.State != control.PeerDirect
			}) {
				return false
			}
		}
		return true
	})
}

// peer is how the member sees another.
func (m *member) peer(other *member) control.Peer {
	m.w.t.Helper()
	for _, p := range m.Peers().Peers {
		if p.Name == other.name {
			return p
		}
	}
	m.w.t.Fatalf("%s has no peer %s", m.name, other.name)
	return control.Peer{}
}

// remote is where the member sends what is for another, "" for nowhere.
func (m *member) remote(other *member) string {
	if p := m.peer(other).Path; p != nil {
		return p.Remote
	}
	return ""
}

// counts are what the member has counted about another.
func (m *member) counts(other *member) control.PeerStats {
	m.w.t.Helper()
	for _, p := range m.Stats().Peers {
		if p.Name == other.name {
			return p
		}
	}
	m.w.t.Fatalf("%s has no peer %s", m.name, other.name)
	return control.PeerStats{}
}

// inject has the member's device give a frame.
func (m *member) inject(h offload.Header, f []byte) {
	m.w.t.Helper()
	if err := m.device.Inject(h, f); err != nil {
		m.w.t.Fatalf("%s: %v", m.name, err)
	}
}

// bodies are the contents of the plain frames that the member's device has got since the last look.
func (m *member) bodies() (all []string) {
	for _, f := range m.device.Frames() {
		if ether.Frame(f.Bytes).Src() != m.options.Segments[0].Device.MAC {
			all = append(all, string(f.Bytes[ether.HeaderLen:]))
		}
	}
	return all
}

// plainFrame is an Ethernet frame that is not IP.
func plainFrame(dst, src ether.MAC, body string) []byte {
	f := append(append([]byte(nil), dst[:]...), src[:]...)
	return append(append(f, 0x88, 0xb5), body...) // an EtherType for experiments
}

// say has a station behind the member send a frame to one behind another.
func (m *member) say(to *member, body string) {
	m.w.t.Helper()
	m.inject(bare, plainFrame(station(to.i), station(m.i), body))
}

// talk has the two say something to each other every 10 ms until both have heard a word of it, for
// d at most. It says how long that took.
func (w *world) talk(a, b *member, d time.Duration) time.Duration {
	w.t.Helper()
	began := time.Now()
	said := make(map[string]bool)
	hears := func(m *member) bool {
		return slices.ContainsFunc(m.bodies(), func(word string) bool { return said[word] })
	}
	for heardA, heardB := false, false; time.Since(began) < d; {
		word := fmt.Sprintf("at %v", time.Since(w.origin))
		said[word] = true
		a.say(b, word)
		b.say(a, word)
		w.pass(10 * time.Millisecond)
		heardA, heardB = hears(a) || heardA, hears(b) || heardB
		if heardA && heardB {
			return time.Since(began)
		}
	}
	w.t.Fatalf("%s and %s: not a word both ways within %v", a.name, b.name, d)
	return 0
}

// follow gives a function that takes the events so far and says whether one is of a type.
func (m *member) follow() (told func(control.EventType) bool, stop func()) {
	events, stop := m.events.Subscribe()
	return func(want control.EventType) (found bool) {
		for {
			select {
			case e := <-events:
				found = found || e.Type == want
			default:
				return found
			}
		}
	}, stop
}

// A recorder keeps what is logged.
type recorder struct {
	mu   sync.Mutex
	text []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, b...)
	return len(b), nil
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.text)
}
