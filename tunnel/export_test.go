package tunnel

import "github.com/vxmesh/vxmesh/nat/portmap"

// RouterOpened has a node believe that its router opened a port, and may be asked for it anew.
func (n *Node) RouterOpened(a portmap.Mapping, reopen func()) {
	s := &surroundings{n: n}
	n.mesh.mayReopen(reopen)
	s.mapped(a, true)
}
