package tunnel

import (
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// tellMember tells people of a member that they have not heard of, or that has another name.
func (c *membership) tellMember(id roster.NodeID) {
	r := c.roster.Member(id)
	if r == nil || c.names[id] == r.Name {
		return
	}
	reason := "joined"
	if c.names[id] != "" {
		reason = "renamed"
	}
	c.names[id] = r.Name
	c.m.n.publish(control.Event{Type: control.EventMember, Name: r.Name, Reason: reason})
}

// tellGone tells people that one whom they have heard of is no member any more.
func (c *membership) tellGone(ch roster.Change) {
	name, known := c.names[ch.Node]
	if !known {
		return
	}
	reason := "removed"
	if roster.RevocationKind(ch.Item.Raw[1]) == roster.Leave {
		reason = "left"
	}
	delete(c.names, ch.Node)
	c.m.n.publish(control.Event{Type: control.EventMember, Name: name, Reason: reason})
}
