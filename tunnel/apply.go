package tunnel

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Apply makes the node what o says, whole or not at all: on an error everything is as it was.
// Segments come and go, and everything within a segment changes, while the rest runs on; sockets,
// names and the MAC addresses of devices that stay are not changed here.
func (n *Node) Apply(o Options) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running == nil {
		return errors.New("the node is not running")
	}
	wanted := make(map[uint32]SegmentOptions, len(o.Segments))
	for _, s := range o.Segments {
		wanted[s.VNI] = s
	}
	undo, err := n.prepare(wanted, o.Mesh.Peers)
	if err != nil {
		for _, back := range slices.Backward(undo) {
			back()
		}
		return err
	}
	n.mesh.keep(o.Mesh.Peers) // first: a peer with a new key has the name of the one that goes
	n.mesh.update(o.Mesh.Membership)
	n.mesh.updateRelay(o.Relay)
	own := n.self(n.segmentList())
	for _, s := range n.segmentList() {
		if o, keep := wanted[s.vni]; keep {
			s.commit(o)
			s.refreshRoutes(own)
			continue
		}
		n.remove(s.vni)
		s.close()
	}
	n.mesh.start()
	n.regroup()
	n.keeper.wake()
	n.resolver.wake()
	return nil
}

// prepare does everything that can fail: it opens what is new and changes the devices that stay.
// Each step it took is undone by a function in undo.
func (n *Node) prepare(wanted map[uint32]SegmentOptions, peers []PeerOptions) (undo []func(), err error) {
	for _, o := range wanted {
		if n.sockets.listening == nil && o.Plain.exist() {
			return nil, errors.New("the first [segments.vxlan] needs its sockets opened: restart the node")
		}
	}
	back, err := n.mesh.prepare(peers)
	undo = append(undo, back)
	if err != nil {
		return undo, err
	}
	for _, vni := range slices.Sorted(maps.Keys(wanted)) {
		if s := n.segment(vni); s != nil {
			back, err = s.prepare(wanted[vni])
		} else {
			if back, err = n.freeDevice(wanted[vni].Device.Name, wanted); err != nil {
				return undo, fmt.Errorf("vni %d: %w", vni, err)
			}
			undo = append(undo, back)
			back, err = n.addSegment(wanted[vni])
		}
		if err != nil {
			return undo, err
		}
		undo = append(undo, back)
	}
	return undo, nil
}

// freeDevice makes the name of a device free for a new segment, by ending the segment that has it
// if that one is to go; back begins it again.
func (n *Node) freeDevice(name string, wanted map[uint32]SegmentOptions) (back func(), err error) {
	for _, s := range n.segmentList() {
		if s.dev.Name() != name {
			continue
		}
		if _, stays := wanted[s.vni]; stays {
			return nil, fmt.Errorf("%s is the device of vni %d, which keeps it until the node is "+
				"restarted: give this segment another device.name", name, s.vni)
		}
		old := s.options
		n.remove(s.vni)
		s.close()
		return func() {
			if _, err := n.addSegment(old); err != nil {
				n.log.Error("segment not brought back", "vni", old.VNI, "err", err)
			}
		}, nil
	}
	return func() {}, nil
}

// addSegment opens and starts a segment; back ends it again.
func (n *Node) addSegment(o SegmentOptions) (back func(), err error) {
	s, err := n.openSegment(o)
	if err != nil {
		return nil, err
	}
	n.put(s)
	n.startSegment(s)
	return func() {
		n.remove(s.vni)
		s.close()
	}, nil
}

// prepare changes the segment's device to what o says; back changes it back.
func (s *segment) prepare(o SegmentOptions) (back func(), err error) {
	old := s.options
	if reflect.DeepEqual(old.Device, o.Device) && reflect.DeepEqual(old.Plain, o.Plain) {
		return func() {}, nil
	}
	if err := s.node.checkFamilies(o); err != nil {
		return nil, err
	}
	if err := s.dev.Reconfigure(s.deviceOptions(o)); err != nil {
		return nil, fmt.Errorf("vni %d: %w", s.vni, err)
	}
	return func() {
		if err := s.dev.Reconfigure(s.deviceOptions(old)); err != nil {
			s.log.Error("device not changed back", "device", s.dev.Name(), "err", err)
		}
	}, nil
}

// commit makes the segment what o says. It cannot fail.
func (s *segment) commit(o SegmentOptions) {
	s.mu.Lock()
	old := s.options
	s.options = o
	s.own.Store(new(s.addresses(o)))
	s.sw.SetOptions(o.FDB)
	before := s.leg.Load()
	next := before.rebuild(o.Plain, s.node.sockets.port).withPeers(s.node.mesh.inSegment(&o))
	s.setLeg(next)
	moved := len(before.gone(next))+len(next.gone(before)) > 0 // entries go with their ports
	if moved || !reflect.DeepEqual(old.Static, o.Static) {
		s.setStatic(old.Static, o.Static)
	}
	s.mu.Unlock()
	s.forgetStale()
}
