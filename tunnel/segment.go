package tunnel

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// A segment is one VXLAN segment: a switch, a device, peers, and the plain leg.
type segment struct {
	// Constant.
	node *Node
	vni  uint32
	mac  ether.MAC // of the device
	kind tundev.Kind
	auto autoHost
	dev  tundev.Device
	jack *jack // that of the device
	sw   *bridge.Switch
	log  *slog.Logger
	up   *uplink // of the device

	// Replaced by the keeper, by Apply, and by a downlink that learns a VTEP; all hold mu.
	mu      sync.Mutex
	leg     atomic.Pointer[leg]
	options SegmentOptions

	own atomic.Pointer[[]netip.Prefix] // addresses of the device

	// Counted by the loops.
	rx, tx  traffic
	flooded atomic.Uint64
	tooBig  atomic.Uint64 // ICMP errors sent
	drops   drop.Counters
	limited atomic.Uint64 // sources not learned since the last event about it
}

// newSegment opens the device of a segment and sets up its switch. Nothing moves yet.
func newSegment(n *Node, o SegmentOptions) (*segment, error) {
	s := &segment{
		node: n, vni: o.VNI, options: o, sw: bridge.New(o.FDB), mac: o.Device.MAC, kind: o.Device.Kind,
		log: n.log.With("vni", o.VNI),
	}
	if s.mac.IsZero() {
		s.mac = tundev.StableMAC(n.options.Seed, o.VNI)
	}
	dev, err := n.openDevice(o.Device, s.deviceOptions(o))
	if err != nil {
		return nil, err
	}
	s.dev = dev
	s.jack = &jack{s: s, dev: dev, port: devicePort}
	s.own.Store(new(s.addresses(o)))
	first := new(leg).with(s.jack)
	s.setLeg(first.rebuild(o.Plain, n.sockets.port).withPeers(n.mesh.inSegment(&o)))
	s.setStatic(nil, o.Static)
	s.sw.Add(bridge.Entry{MAC: s.mac, Port: devicePort, Kind: bridge.Local}) // nothing there to conflict with
	s.up = newUplink(s.jack)
	return s, nil
}

// openDevice opens a segment's device.
func (n *Node) openDevice(o DeviceOptions, d tundev.Options) (tundev.Device, error) {
	if o.None {
		return tundev.OpenNone(d), nil
	}
	return n.options.OpenDevice(d)
}

// deviceOptions says what device the segment wants. In a bridge it gets the bridge's MTU, unless
// told otherwise: a smaller one would shrink the whole bridge, and the bridge would drop what does
// not fit without a word, where we tell the sender.
func (s *segment) deviceOptions(o SegmentOptions) tundev.Options {
	mtu := o.Device.MTU
	if mtu == 0 {
		mtu = defaultMTU // peers take frames of any size, whatever the path
		if o.Plain.exist() {
			mtu = s.node.routes.innerMTU(o.Plain, self{listens: s.node.sockets.addrs()})
		}
		if o.Device.Bridge != "" {
			mtu = clampMTU(max(mtu, s.node.routes.linkMTU(o.Device.Bridge)))
		}
	}
	return tundev.Options{
		Kind: o.Device.Kind, Name: o.Device.Name, MTU: mtu, MAC: s.mac, Bridge: o.Device.Bridge,
		Addresses: s.addresses(o), Log: s.log, OnChange: s.deviceChanged,
	}
}

// deviceChanged tells the world that the device went or came.
func (s *segment) deviceChanged(state tundev.State) {
	d := s.deviceStatus()
	s.node.publish(control.Event{
		Type: control.EventDeviceState, VNI: s.vni, Device: &d,
		Reason: state.Reason,
	})
}

// setLeg makes l current and gives the switch its ports. The caller holds mu, or is the only one
// to know the segment. Frames in flight may still hold the old snapshot: a port is taken from the
// switch before its number can be given to another.
func (s *segment) setLeg(l *leg) {
	old := s.leg.Load()
	if old == nil {
		old = &leg{}
	}
	for _, port := range old.gone(l) {
		s.sw.RemovePort(port)
	}
	s.leg.Store(l)
	for _, j := range l.plugged() {
		if old.jack(j.port) != j {
			s.sw.AddPort(j.port, bridge.Device, true)
		}
	}
	for p, port := range l.members {
		if old.peer(port) != p {
			s.sw.AddPort(port, bridge.Mesh, true) // costs something for each port there is
		}
	}
	for _, v := range l.vteps() {
		if old.port(v.port) != v || old.floods(v) != l.floods(v) {
			s.sw.AddPort(v.port, bridge.VTEP, l.floods(v))
		}
	}
}

// regroup makes the peers of the segment those that there are now.
func (s *segment) regroup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.leg.Load()
	next := before.withPeers(s.node.mesh.inSegment(&s.options))
	if len(before.gone(next))+len(next.gone(before)) == 0 {
		return
	}
	s.setLeg(next)
	s.setStatic(s.options.Static, s.options.Static) // entries go with their ports
}

// setStatic replaces the entries that the config pins; what a user added stays.
func (s *segment) setStatic(old, new []StaticEntry) {
	for _, e := range old {
		s.sw.Delete(e.VLAN, e.MAC)
	}
	for _, e := range new {
		if e.Peer != "" {
			if port, ok := s.leg.Load().member(e.Peer); ok {
				s.addStatic(e.VLAN, e.MAC, port)
			}
		} else if v := s.staticVTEP(e.VTEP); v != nil {
			s.addStatic(e.VLAN, e.MAC, v.port)
		}
	}
}

// staticVTEP gives the port of a pinned address: a listed remote, or one made for the entry.
func (s *segment) staticVTEP(a netip.AddrPort) *vtep {
	l := s.leg.Load()
	if v := l.find(a); v != nil {
		return v
	}
	next, v := l.withVTEP(a, control.VTEPPinned)
	s.setLeg(next)
	return v
}

func (s *segment) addStatic(vlan uint16, mac ether.MAC, port bridge.Port) {
	if err := s.sw.Add(bridge.Entry{VLAN: vlan, MAC: mac, Port: port, Kind: bridge.Static}); err != nil {
		s.log.Warn("pinned address not added", "mac", mac, "err", err)
	}
}

// learnVTEP makes an unlisted source a VTEP, answering on the port we listen on, as kernels
// assume. It gives nil when the table of them is full.
func (s *segment) learnVTEP(from netip.Addr) *vtep {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.leg.Load()
	if v := l.sources[from]; v != nil { // another loop was faster
		return v
	}
	if !l.options.admitsAnyone() || len(l.sources) >= maxLearnedVTEPs+len(l.options.Remotes) {
		return nil
	}
	next, v := l.withVTEP(netip.AddrPortFrom(from, s.node.sockets.port), control.VTEPLearned)
	v.heard.Store(int64(s.node.now()))
	s.setLeg(next)
	s.node.publishVTEP(control.EventVTEPAdded, s.vni, v)
	s.node.keeper.wake()
	return v
}

// maxForgotten bounds how many VTEPs are dropped at a time: each costs a sweep through the FDB.
const maxForgotten = 16

// forgetStale drops VTEPs that nobody needs any more.
func (s *segment) forgetStale() {
	now := s.node.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.leg.Load()
	stale := func(v *vtep) bool { return l.stale(v, now) }
	if !slices.ContainsFunc(l.vteps(), stale) {
		return
	}
	pinned := make(map[bridge.Port]bool)
	for _, e := range s.sw.Entries(now) {
		if e.Kind == bridge.Static {
			pinned[e.Port] = true
		}
	}
	left := maxForgotten
	next, removed := l.without(func(v *vtep) bool {
		if left == 0 || !stale(v) || pinned[v.port] {
			return false
		}
		left--
		return true
	})
	if len(removed) > 0 {
		s.setLeg(next)
	}
}

// close closes the device, and ends the stay of guests.
func (s *segment) close() {
	s.dismiss()
	if err := s.dev.Close(); err != nil {
		s.log.Warn("close device", "device", s.dev.Name(), "err", err)
	}
}

// portName is how a port is called in the FDB.
func (s *segment) portName(p bridge.Port) control.FDBPort {
	if p == devicePort {
		return control.FDBPort{Kind: control.PortDevice, Name: s.dev.Name()}
	}
	l := s.leg.Load()
	if v := l.port(p); v != nil {
		return control.FDBPort{Kind: control.PortVTEP, Name: v.name}
	}
	if pr := l.peer(p); pr != nil {
		return control.FDBPort{Kind: control.PortPeer, Name: pr.name}
	}
	if j := l.jack(p); j != nil {
		return control.FDBPort{Kind: control.PortGuest, Name: j.guest.name}
	}
	return control.FDBPort{Kind: control.PortVTEP, Name: fmt.Sprintf("port %d", p)}
}
