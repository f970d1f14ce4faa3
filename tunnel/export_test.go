package tunnel

import "github.com/vxmesh/vxmesh/nat/portmap"

// RouterOpened has a node believe that its router opened a port, and may be asked for it anew.
func (n *Node) RouterOpened(a portmap.Mapping, reopen func()) {
	s := &surroundings{n: n}
	n.mesh.mayReopen(reopen)
	s.mapped(a, true)
}

// LinkOfHeld is the name of a segment's interface, asked for while the segment is held: so is it by whoever
// has the mesh's lock, which is taken after the segment's.
func (n *Node) LinkOfHeld(vni uint32) string {
	s := n.segment(vni)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link()
}
