package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// expired is the file of a network whose only node was away for too long.
func expired(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	_ = ok[*membership.Member](t)(membership.Found(dir, membership.FoundOptions{
		Network: "home", Node: "attic", Now: time.Now().Add(-100 * 24 * time.Hour),
		Identity: ok[identity.Identity](t)(identity.Create(filepath.Join(dir, "identity.key"))),
	}))
	return dir
}

// TestExpiredAdmin renews its own certificate at a start and at a reload, and tells the network.
func TestExpiredAdmin(t *testing.T) {
	cfg := stateConfig(expired(t), false)
	n := claim(t, cfg)
	if n.member.Certificate().ValidAt(time.Now()) != nil || n.failed != nil || len(n.signed) != 1 {
		t.Errorf("at the start: %+v, %v", n.member.Certificate(), n.failed)
	}
	items := memberOptions(cfg, n).Items
	if len(items) < 2 || string(items[len(items)-1].Raw) != string(n.signed[0].Raw) {
		t.Errorf("the network hears of %v", items)
	}
	cfg = stateConfig(expired(t), false)
	n = &nodeIdentity{member: ok[*membership.Member](t)(membership.Open(cfg.Network.State,
		ok[identity.Identity](t)(identity.Load(identityPath(cfg)))))}
	changes := ok[[]control.Change](t)(n.reload())
	if n.member.Certificate().ValidAt(time.Now()) != nil || len(n.signed) != 1 ||
		len(changes) != 1 || changes[0].Key != "membership.certificate" || changes[0].New <= changes[0].Old {
		t.Errorf("at a reload: %+v, %+v", n.member.Certificate(), changes)
	}
	if changes = ok[[]control.Change](t)(n.reload()); len(changes) > 0 || len(n.signed) > 0 {
		t.Errorf("again: %+v", changes)
	}
}

// TestReloadTakesMembership has a command make an admin of a node that runs.
func TestReloadTakesMembership(t *testing.T) {
	h := newAttic(t)
	file, barn := h.exported("secret"), joined(t, h, "barn", false)
	n := claim(t, barn.cfg)
	barn.typed("none.sock", "secret\n", "key", "import", file).wantError(t, exitNoNode, "a node uses")
	changes := ok[[]control.Change](t)(n.reload())
	if len(changes) == 0 || changes[0] != (control.Change{
		Key: "membership.admin", Old: "false", New: "true", Class: control.ChangeApplied,
	}) {
		t.Errorf("%+v", changes)
	}
	if o := memberOptions(barn.cfg, n); o.Authority == nil || o.Registrar == nil || !o.Certificate.Rights.Admin {
		t.Errorf("the node may not issue: %+v", o)
	}
}
