package tunnel

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Status says what the node is and how it does, as far as the engine knows: the caller adds what
// it knows of version and config. Anybody may call it at any time.
func (n *Node) Status() control.Status {
	st := control.Status{
		Network: n.options.Network, State: control.StateUp, PID: os.Getpid(),
		Node:          control.Node{Name: n.options.Name},
		UptimeSeconds: n.now().Seconds(),
	}
	for _, sock := range n.sockets.listening {
		st.Listen = append(st.Listen, sock.name())
	}
	n.mesh.addStatus(&st)
	for _, s := range n.segmentList() {
		seg, warnings := s.status()
		st.Segments = append(st.Segments, seg)
		st.Warnings = append(st.Warnings, warnings...)
	}
	if len(st.Warnings) > 0 {
		st.State = control.StateDegraded
	}
	return st
}

// name is how a socket is called in status and stats.
func (s *socket) name() string { return "udp " + s.LocalAddr().String() }

// status describes a segment and what is wrong with it.
func (s *segment) status() (control.SegmentStatus, []control.Warning) {
	st := control.SegmentStatus{
		VNI: s.vni, State: control.StateUp, Device: s.deviceStatus(), FDBEntries: s.sw.Len(),
	}
	warnings := s.deviceWarnings(st.Device)
	for _, v := range s.leg.Load().vteps() {
		vt := v.status()
		st.VTEPs = append(st.VTEPs, vt)
		if vt.State != control.VTEPOK && v.listed() {
			warnings = append(warnings, control.Warning{
				Code:    "vtep_" + string(vt.State),
				Message: fmt.Sprintf("vni %d: vtep %s: %s", s.vni, vt.Remote, vt.Reason),
				Fix:     v.path.Load().fix(v.remote.Addr()),
			})
		}
	}
	for _, g := range s.leg.Load().guests() {
		st.Guests = append(st.Guests, g.status())
	}
	if len(warnings) > 0 {
		st.State = control.StateDegraded
	}
	return st, warnings
}

// deviceWarnings says what is wrong with the device.
func (s *segment) deviceWarnings(d control.Device) (warnings []control.Warning) {
	if state := s.dev.State(); !state.Up {
		return []control.Warning{{
			Code:    "device_down",
			Message: fmt.Sprintf("vni %d: %s is down: %s", s.vni, d.Name, state.Reason),
			Fix:     "ip -d link show " + d.Name,
		}}
	}
	for _, a := range *s.own.Load() {
		if !slices.Contains(d.Addresses, a.String()) {
			warnings = append(warnings, control.Warning{
				Code:    "address_missing",
				Message: fmt.Sprintf("vni %d: somebody removed %s from %s", s.vni, a, d.Name),
				Fix:     fmt.Sprintf("ip addr add %s dev %s", a, d.Name),
			})
		}
	}
	return append(warnings, s.conflictWarnings(d)...)
}

// A host on the segment is a device that is one without the system's help.
type hostDevice interface {
	Drops() map[string]uint64
	Conflicts() []tundev.Conflict
}

// conflictWarnings says which addresses of the device another station uses, too.
func (s *segment) conflictWarnings(d control.Device) (warnings []control.Warning) {
	h, ok := s.dev.(hostDevice)
	if !ok {
		return nil
	}
	for _, c := range h.Conflicts() {
		warnings = append(warnings, control.Warning{
			Code:    "address_conflict",
			Message: fmt.Sprintf("vni %d: %s uses %s, an address of %s", s.vni, c.Rival, c.Addr, d.Name),
			Fix:     "give one of the two another address",
		})
	}
	return warnings
}

// deviceStatus describes the device as it is.
func (s *segment) deviceStatus() control.Device {
	s.mu.Lock()
	o := s.options.Device
	s.mu.Unlock()
	d := control.Device{
		Name: s.dev.Name(), Kind: o.kind(), State: "up", MTU: s.dev.MTU(), MAC: s.mac, Bridge: o.Bridge,
	}
	if !s.dev.State().Up {
		d.State = "down"
	}
	has := addressesOf(s.link())
	for _, a := range *s.own.Load() {
		if has == nil || has[a] {
			d.Addresses = append(d.Addresses, a.String())
		}
	}
	return d
}

// link is the name of the system's interface that the device is, "" when it is none. It takes no lock: it is
// called with that of the mesh held.
func (s *segment) link() string {
	if s.kind == tundev.Userspace {
		return ""
	}
	return s.dev.Name()
}

// kind is the kind of the device, as the config calls it.
func (o *DeviceOptions) kind() string {
	switch {
	case o.None:
		return "none"
	case o.Kind == "":
		return string(tundev.TAP)
	}
	return string(o.Kind)
}

// addressesOf gives the addresses of an interface, nil when there is none of that name.
func addressesOf(name string) map[netip.Prefix]bool {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil
	}
	list, err := ifi.Addrs()
	if err != nil {
		return nil
	}
	has := make(map[netip.Prefix]bool, len(list))
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			has[p] = true
		}
	}
	return has
}

// FDB lists the entries of the segments that f selects. Anybody may call it at any time.
func (n *Node) FDB(f control.FDBFilter) control.FDB {
	var out control.FDB
	for _, s := range n.segmentList() {
		if f.VNI != 0 && f.VNI != s.vni {
			continue
		}
		for _, e := range s.sw.Entries(n.now()) {
			out.Entries = append(out.Entries, s.fdbEntry(e))
		}
	}
	return out
}

func (s *segment) fdbEntry(e bridge.Entry) control.FDBEntry {
	return control.FDBEntry{
		VNI: s.vni, VLAN: e.VLAN, MAC: e.MAC, Port: s.portName(e.Port),
		Kind: control.EntryKind(e.Kind.String()), AgeSeconds: e.Age.Seconds(), Moves: uint64(e.Moves),
	}
}

// Stats gives all counters. Anybody may call it at any time.
func (n *Node) Stats() control.Stats {
	var out control.Stats
	for _, s := range n.segmentList() {
		out.Segments = append(out.Segments, s.stats())
		for _, v := range s.leg.Load().vteps() {
			out.VTEPs = append(out.VTEPs, control.VTEPStats{
				VNI: s.vni, Remote: v.name,
				RxFrames: v.rx.frames.Load(), RxBytes: v.rx.bytes.Load(),
				TxFrames: v.tx.frames.Load(), TxBytes: v.tx.bytes.Load(),
				Drops: v.drops.Map(),
			})
		}
		for _, g := range s.leg.Load().guests() {
			out.Guests = append(out.Guests, control.GuestStats{
				VNI: s.vni, Name: g.name,
				RxFrames: g.rx.frames.Load(), RxBytes: g.rx.bytes.Load(),
				TxFrames: g.tx.frames.Load(), TxBytes: g.tx.bytes.Load(),
				Drops: g.drops.Map(),
			})
		}
	}
	for _, sock := range n.sockets.listening {
		out.Sockets = append(out.Sockets, n.sockets.stats(sock))
	}
	n.mesh.addStats(&out)
	if r := n.hello.Load(); r != nil {
		out.Sockets = append(out.Sockets, lanStats(r.Counts()))
	}
	return out
}

func (s *segment) stats() control.SegmentStats {
	t := s.sw.Stats()
	drops := s.drops.Map()
	if h, ok := s.dev.(hostDevice); ok {
		for reason, n := range h.Drops() {
			drops[reason] += n
		}
	}
	return control.SegmentStats{
		VNI:      s.vni,
		RxFrames: s.rx.frames.Load(), RxBytes: s.rx.bytes.Load(),
		TxFrames: s.tx.frames.Load(), TxBytes: s.tx.bytes.Load(),
		FloodedFrames: s.flooded.Load(), Drops: drops, ICMPTooBig: s.tooBig.Load(),
		FDB: control.FDBStats{
			Entries: uint64(s.sw.Len()), Learned: t.Learned, Moved: t.Moved, Aged: t.Aged,
			TableFull: t.TableFull, PortFull: t.PortFull,
		},
	}
}

// stats counts a socket.
func (s *socket) stats() control.SocketStats {
	return control.SocketStats{
		Listen:      s.name(),
		RxDatagrams: s.rx.frames.Load(), RxBytes: s.rx.bytes.Load(),
		TxDatagrams: s.tx.frames.Load(), TxBytes: s.tx.bytes.Load(),
		RxDrops: s.Lost(), Drops: s.drops.Map(),
	}
}

// stats counts a listening socket; what its family's pool sent is counted with the first of them.
func (ss *sockets) stats(sock *socket) control.SocketStats {
	st := sock.stats()
	if sock != ss.first(sock.Is6()) {
		return st
	}
	for _, p := range *ss.pool(sock.Is6()) {
		st.TxDatagrams += p.tx.frames.Load()
		st.TxBytes += p.tx.bytes.Load()
	}
	return st
}
