package tunnel

import (
	"context"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// AddFDB pins an address to a port. A VTEP that is not listed gets a port of its own: it receives
// what is for that address and nothing that is for everybody.
func (n *Node) AddFDB(r control.FDBAdd) (control.FDBResult, error) {
	s, err := n.only(r.VNI)
	if err != nil {
		return control.FDBResult{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.sw.Get(r.VLAN, r.MAC, n.now())
	p, err := s.findPort(r.Port)
	if known && e.Kind != bridge.Learned && (err != nil || e.Port != p) {
		return control.FDBResult{}, control.Errorf(control.CodeConflict,
			"%s is pinned to %s already", r.MAC, s.portName(e.Port).Name)
	}
	if err != nil {
		if p, err = s.newPort(r.Port, err); err != nil {
			return control.FDBResult{}, err
		}
	}
	if err := s.sw.Add(bridge.Entry{VLAN: r.VLAN, MAC: r.MAC, Port: p, Kind: bridge.Static}); err != nil {
		return control.FDBResult{}, control.Errorf(control.CodeConflict, "%v", err)
	}
	entry, _ := s.sw.Get(r.VLAN, r.MAC, n.now())
	added := s.fdbEntry(entry)
	n.publish(control.Event{Type: control.EventFDBAdded, VNI: s.vni, Entry: &added})
	n.keeper.wake()
	return control.FDBResult{VNI: s.vni, Added: 1}, nil
}

// DelFDB removes an entry, learned or pinned.
func (n *Node) DelFDB(r control.FDBDel) (control.FDBResult, error) {
	s, err := n.only(r.VNI)
	if err != nil {
		return control.FDBResult{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.sw.Get(r.VLAN, r.MAC, n.now())
	if !ok || e.Kind == bridge.Local {
		return control.FDBResult{}, control.Errorf(control.CodeNotFound,
			"there is no entry for %s (vlan %d) in vni %d", r.MAC, r.VLAN, s.vni)
	}
	if r.Port != "" {
		p, err := s.findPort(r.Port)
		if err != nil {
			return control.FDBResult{}, err
		}
		if p != e.Port {
			return control.FDBResult{}, control.Errorf(control.CodeNotFound,
				"%s is behind %s, not %s", r.MAC, s.portName(e.Port).Name, r.Port)
		}
	}
	s.sw.Delete(r.VLAN, r.MAC)
	gone := s.fdbEntry(e)
	n.publish(control.Event{Type: control.EventFDBDeleted, VNI: s.vni, Entry: &gone})
	return control.FDBResult{VNI: s.vni, Removed: 1}, nil
}

// FlushFDB removes the learned entries that the request selects.
func (n *Node) FlushFDB(r control.FDBFlush) (control.FDBResult, error) {
	segments := n.segmentList()
	if r.VNI != 0 {
		s, err := n.only(r.VNI)
		if err != nil {
			return control.FDBResult{}, err
		}
		segments = []*segment{s}
	}
	out := control.FDBResult{VNI: r.VNI}
	found := r.Port == ""
	for _, s := range segments {
		f := bridge.Filter{VLAN: r.VLAN}
		if r.MAC != nil {
			f.MAC = *r.MAC
		}
		if r.Port != "" {
			s.mu.Lock()
			p, err := s.findPort(r.Port)
			s.mu.Unlock()
			if err != nil {
				continue // the port may be another segment's
			}
			f.Port, found = p, true
		}
		if removed := s.sw.Flush(f); removed > 0 {
			out.Removed += removed
			n.publish(control.Event{Type: control.EventFDBFlushed, VNI: s.vni, Count: uint64(removed)})
		}
	}
	if !found {
		return out, unknownPort(r.Port, segments)
	}
	return out, nil
}

// only gives the segment of a VNI; 0 stands for the only one.
func (n *Node) only(vni uint32) (*segment, error) {
	list := n.segmentList()
	switch {
	case vni == 0 && len(list) == 1:
		return list[0], nil
	case vni == 0:
		return nil, control.Errorf(control.CodeUsage, "there are %d segments: say which with --vni", len(list))
	}
	if s := n.segment(vni); s != nil {
		return s, nil
	}
	return nil, control.Errorf(control.CodeNotFound, "there is no segment with vni %d", vni)
}

// findPort finds a port by name: "device", a peer's or guest's name, or a VTEP's address with or without port.
// The caller holds mu.
func (s *segment) findPort(name string) (bridge.Port, error) {
	if name == "device" || name == s.dev.Name() {
		return devicePort, nil
	}
	if port, ok := s.leg.Load().member(name); ok {
		return port, nil
	}
	for _, g := range s.leg.Load().guests() {
		if g.name == name {
			return g.port, nil
		}
	}
	if addr, err := parseVTEP(name); err == nil {
		if v := s.leg.Load().find(addr); v != nil {
			return v.port, nil
		}
	}
	return bridge.NoPort, unknownPort(name, []*segment{s})
}

// newPort makes an address that is no VTEP yet one; unknown is what to say when it is no address.
// The caller holds mu.
func (s *segment) newPort(name string, unknown error) (bridge.Port, error) {
	to, err := parseVTEP(name)
	if err != nil {
		return bridge.NoPort, unknown
	}
	a := to.Addr()
	switch broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255}); {
	case to.Port() == 0, a.IsUnspecified(), a.IsMulticast(), a == broadcast:
		return bridge.NoPort, control.Errorf(control.CodeUsage, "%s is not the address of one vtep", name)
	case a.Zone() != "" && s.node.routes.index(a.Zone()) == 0:
		return bridge.NoPort, control.Errorf(control.CodeUsage, "there is no interface %s", a.Zone())
	case !s.node.sockets.has(a):
		return bridge.NoPort, control.Errorf(control.CodeUsage,
			"%s needs a listen.vxlan address of its family", name)
	}
	return s.staticVTEP(to).port, nil
}

// parseVTEP reads an address with or without port.
func parseVTEP(name string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return netip.AddrPortFrom(a.Unmap(), vxlan.Port), nil
	}
	a, err := netip.ParseAddrPort(name)
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), err
}

// unknownPort names the ports there are.
func unknownPort(name string, segments []*segment) error {
	known := []string{"device"}
	for _, s := range segments {
		for pr := range s.leg.Load().members {
			known = append(known, pr.name)
		}
		for _, g := range s.leg.Load().guests() {
			known = append(known, g.name)
		}
		for _, v := range s.leg.Load().vteps() {
			if !slices.Contains(known, v.name) {
				known = append(known, v.name)
			}
		}
	}
	e := control.Errorf(control.CodeNotFound, "there is no port %q", name)
	e.Fix = []string{"ports: " + strings.Join(known, ", ")}
	return e
}

// Capture writes what passes as pcapng until ctx ends or w fails.
func (n *Node) Capture(ctx context.Context, w io.Writer, o control.CaptureOptions) error {
	if o.VNI != 0 && n.segment(o.VNI) == nil {
		return control.Errorf(control.CodeNotFound, "there is no segment with vni %d", o.VNI)
	}
	return n.tap.Attach(capture.Options{SnapLen: o.SnapLen, VNI: o.VNI}).Run(ctx, w)
}
