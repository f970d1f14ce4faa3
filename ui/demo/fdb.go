package demo

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// fdb is what [control.Backend] wants.
func (n *Network) fdb(f control.FDBFilter) (out control.FDB) {
	if f.VNI != 0 && f.VNI != vni {
		return out
	}
	n.locked(func() {
		out.Entries = make(control.List[control.FDBEntry], len(n.entries))
		for i, e := range n.entries {
			out.Entries[i] = n.fdbEntry(e)
		}
	})
	return out
}

// change runs one change of the segment of a VNI; 0 is the only one.
func (n *Network) change(v uint32, do func() error) error {
	if v != 0 && v != vni {
		return noSegment(v)
	}
	var err error
	n.locked(func() { err = do() })
	return err
}

// addFDB is what [control.Backend] wants.
func (n *Network) addFDB(r control.FDBAdd) (control.FDBResult, error) {
	err := n.change(r.VNI, func() error {
		at, err := n.portNamed(r.Port)
		if i, known := n.entry(r.VLAN, r.MAC); known {
			e := n.entries[i]
			switch {
			case e.kind != control.EntryLearned && (err != nil || e.at != at):
				return control.Errorf(control.CodeConflict, "%s is pinned to %s already", r.MAC, portOf(e.at).Name)
			case err == nil && e.kind == control.EntryLocal:
				return control.Errorf(control.CodeConflict, "add %s: it is an address of this machine", r.MAC)
			}
		}
		if err != nil {
			return noPort(r.Port, err)
		}
		e := &entry{vlan: r.VLAN, mac: r.MAC, at: at, kind: control.EntryStatic, seen: n.step}
		n.putEntry(e)
		n.tellEntry(control.EventFDBAdded, e, nil)
		return nil
	})
	if err != nil {
		return control.FDBResult{}, err
	}
	return control.FDBResult{VNI: vni, Added: 1}, nil
}

// noPort says why an address cannot be pinned there: it would be a VTEP, and the node has no socket for
// those.
func noPort(name string, unknown error) error {
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	if err != nil {
		ap, err := netip.ParseAddrPort(name)
		if err != nil {
			return unknown
		}
		a = ap.Addr()
	}
	if a.IsUnspecified() || a.IsMulticast() {
		return control.Errorf(control.CodeUsage, "%s is not the address of one vtep", name)
	}
	return control.Errorf(control.CodeUsage, "%s needs a listen.vxlan address of its family", name)
}

// delFDB is what [control.Backend] wants.
func (n *Network) delFDB(r control.FDBDel) (control.FDBResult, error) {
	err := n.change(r.VNI, func() error {
		i, known := n.entry(r.VLAN, r.MAC)
		if !known || n.entries[i].kind == control.EntryLocal {
			return control.Errorf(control.CodeNotFound, "there is no entry for %s (vlan %d) in vni %d", r.MAC, r.VLAN, vni)
		}
		e := n.entries[i]
		if r.Port != "" {
			at, err := n.portNamed(r.Port)
			if err != nil {
				return err
			}
			if at != e.at {
				return control.Errorf(control.CodeNotFound, "%s is behind %s, not %s", r.MAC, portOf(e.at).Name, r.Port)
			}
		}
		n.entries = slices.Delete(n.entries, i, i+1)
		n.tellEntry(control.EventFDBDeleted, e, nil)
		return nil
	})
	if err != nil {
		return control.FDBResult{}, err
	}
	return control.FDBResult{VNI: vni, Removed: 1}, nil
}

// flushFDB is what [control.Backend] wants.
func (n *Network) flushFDB(r control.FDBFlush) (control.FDBResult, error) {
	out := control.FDBResult{VNI: r.VNI}
	err := n.change(r.VNI, func() error {
		at, err := n.portNamed(r.Port)
		if err != nil && r.Port != "" {
			return err
		}
		out.Removed = n.forget(func(e *entry) bool {
			return e.kind == control.EntryLearned && (r.Port == "" || e.at == at) &&
				(r.VLAN == nil || e.vlan == *r.VLAN) && (r.MAC == nil || e.mac == *r.MAC)
		})
		return nil
	})
	return out, err
}

// forget removes some entries and tells how many. The caller holds mu.
func (n *Network) forget(which func(*entry) bool) int {
	before := len(n.entries)
	n.entries = slices.DeleteFunc(n.entries, which)
	removed := before - len(n.entries)
	if removed > 0 {
		n.tell(control.Event{Type: control.EventFDBFlushed, VNI: vni, Count: uint64(removed)})
	}
	return removed
}

// portNamed finds who is behind a port of a name; nil is this node's device. The caller holds mu.
func (n *Network) portNamed(name string) (*peer, error) {
	if name == "device" || name == device {
		return nil, nil
	}
	known := []string{"device"}
	for _, p := range n.peers {
		if p.name == name {
			return p, nil
		}
		known = append(known, p.name)
	}
	e := control.Errorf(control.CodeNotFound, "there is no port %q", name)
	e.Fix = []string{"ports: " + strings.Join(known, ", ")}
	return nil, e
}
