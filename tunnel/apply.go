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
	undo, err := n.prepare(wanted)
	if err != nil {
		for _, back := range slices.Backward(undo) {
			back()
		}
		return err
	}
	own := n.ownLinks(n.segmentList())
	for _, s := range n.segmentList() {
		if o, keep := wanted[s.vni]; keep {
			s.commit(o)
			s.refreshRoutes(own)
			continue
		}
		n.remove(s.vni)
		if err := s.dev.Close(); err != nil {
			n.log.Warn("close device", "device", s.dev.Name(), "err", err)
		}
	}
	n.keeper.wake()
	return nil
}

// prepare does everything that can fail: it opens what is new and changes the devices that stay.
// Each step it took is undone by a function in undo.
func (n *Node) prepare(wanted map[uint32]SegmentOptions) (undo []func(), err error) {
	if n.sockets.listening == nil && len(wanted) > 0 {
		return nil, errors.New("the first segment needs the sockets opened: restart the node")
	}
	for _, vni := range slices.Sorted(maps.Keys(wanted)) {
		var back func()
		if s := n.segment(vni); s != nil {
			back, err = s.prepare(wanted[vni])
		} else {
			back, err = n.addSegment(wanted[vni])
		}
		if err != nil {
			return undo, err
		}
		undo = append(undo, back)
	}
	return undo, nil
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
		s.dev.Close()
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
	s.sw.SetOptions(o.FDB)
	if !reflect.DeepEqual(old.Plain, o.Plain) {
		s.setLeg(s.leg.Load().rebuild(o.Plain, s.node.sockets.port))
	}
	if !reflect.DeepEqual(old.Static, o.Static) || !reflect.DeepEqual(old.Plain, o.Plain) {
		s.setStatic(old.Static, o.Static)
	}
	s.mu.Unlock()
	s.forgetStale()
}
