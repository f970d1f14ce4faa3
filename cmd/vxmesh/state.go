package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// stateDir is where a network keeps what has to survive a restart.
func stateDir(cfg *config.Config) string {
	if cfg.Network.State != "auto" {
		return cfg.Network.State
	}
	usual := filepath.Join(machineStateDir(), cfg.Network.Name)
	if forMachine() || slices.Contains(filepath.SplitList(os.Getenv("STATE_DIRECTORY")), usual) {
		return usual // the latter is of systemd.exec(5): a service that runs as a user of its own
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			home = os.TempDir()
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "vxmesh", cfg.Network.Name)
}

// identityPath is the file with the node's keys.
func identityPath(cfg *config.Config) string {
	if filepath.IsAbs(cfg.Security.Identity) {
		return cfg.Security.Identity
	}
	return filepath.Join(stateDir(cfg), cfg.Security.Identity)
}

// maxShared bounds how many nodes without peers may share one state directory.
const maxShared = 16

// A nodeIdentity is who a running node is.
type nodeIdentity struct {
	*identity.Claimed
	path  string
	epoch uint32
	extra bool // not the one of the config, which another node uses

	member *membership.Member // nil where there is no certificate
	signed []roster.Item      // by this node, when it looked at its certificate last
	failed error              // of that
}

// claimIdentity takes the node's identity, and makes it on the first start. A node with peers is
// known to them by the one that the config names. Nodes without, such as those in namespaces of one
// machine, may share a state directory: the second to come takes an identity of its own, so that
// their devices differ.
func claimIdentity(cfg *config.Config) (*nodeIdentity, error) {
	path := identityPath(cfg)
	n := &nodeIdentity{path: path}
	var err error
	for i := range maxShared {
		if i > 0 {
			ext := filepath.Ext(path)
			n.path = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ext), i+1, ext)
			n.extra = true
		}
		n.Claimed, err = identity.Claim(n.path)
		if !errors.Is(err, identity.ErrInUse) || len(cfg.Peers) > 0 || membership.Exists(stateDir(cfg)) {
			break
		}
	}
	if err != nil {
		return nil, identityError(n.path, err)
	}
	if err := atomicfile.MakeDir(stateDir(cfg)); err != nil {
		n.release()
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	if n.member, err = openMember(cfg, n.Identity); err != nil {
		n.release()
		return nil, err
	}
	if err := n.check(cfg); err != nil {
		n.release()
		return nil, err
	}
	n.renew()
	if n.epoch, err = identity.NextEpoch(stateDir(cfg)); err != nil {
		n.release()
		return nil, err
	}
	return n, nil
}

// openMember opens this node's membership; nil when it is none, or when the config trusts nobody that
// it does not list.
func openMember(cfg *config.Config, id identity.Identity) (*membership.Member, error) {
	if cfg.Security.Admit == config.AdmitListed {
		return nil, nil
	}
	m, err := membership.Open(stateDir(cfg), id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		e := control.Errorf(control.CodeConfig, "%v", err)
		e.Fix = []string{"put " + stateDir(cfg) + " back from a copy, or join again: vxmesh leave, vxmesh join INVITATION"}
		return nil, e
	}
	return m, nil
}

// renew sees to this node's own certificate, see [membership.Member.Renew]. Without a new one the
// node runs all the same, and status says that its own has expired.
func (n *nodeIdentity) renew() {
	if n.member == nil {
		return
	}
	n.signed, n.failed = n.member.Renew(time.Now(), buildTime())
}

// reload reads the membership again, which commands change. It gives what is different.
func (n *nodeIdentity) reload() ([]control.Change, error) {
	if n.member == nil {
		return nil, nil
	}
	before, was := n.member.Certificate(), adminText(n.member)
	if err := n.member.Reload(); err != nil {
		return nil, err
	}
	n.renew()
	var changes []control.Change
	add := func(key, old, now string) {
		if old != now {
			changes = append(changes, control.Change{Key: key, Old: old, New: now, Class: control.ChangeApplied})
		}
	}
	add("membership.admin", was, adminText(n.member))
	add("membership.certificate", certificateText(before), certificateText(n.member.Certificate()))
	return changes, nil
}

func adminText(m *membership.Member) string {
	_, admin := m.Authority()
	return strconv.FormatBool(admin)
}

// certificateText tells two certificates of a node apart.
func certificateText(c *roster.Certificate) string {
	return fmt.Sprintf("%s, until %s", c.Name, c.NotAfter.UTC().Format(time.RFC3339))
}

// check refuses peers that this identity cannot have.
func (n *nodeIdentity) check(cfg *config.Config) error {
	if len(cfg.Peers) > 0 && n.extra {
		return identityError(identityPath(cfg), identity.ErrInUse)
	}
	for i := range cfg.Segments {
		s := &cfg.Segments[i]
		if n.member == nil && s.VXLAN == nil && s.Peers.All && len(cfg.Peers) == 0 {
			e := control.Errorf(control.CodeConfig, "VNI %d has nobody to talk to", s.VNI)
			e.Fix = []string{
				"add [[peers]] or a [segments.vxlan] to the file",
				"or join a network with an invitation: vxmesh join vxm1...",
			}
			return e
		}
	}
	for _, p := range cfg.Peers {
		if p.Key == config.Key(n.PublicKey()) {
			e := control.Errorf(control.CodeConfig, "the key of peer %s is that of this node itself", p.Name)
			e.Fix = []string{"run `vxmesh key show` on " + p.Name + " for its key"}
			return e
		}
	}
	return nil
}

// release lets another node use the identity; it may be called on nil.
func (n *nodeIdentity) release() {
	if n != nil {
		n.Release()
	}
}

// identityError gives an error of an identity's file the code and the advice that belong to it.
func identityError(path string, err error) error {
	e := &control.Error{Code: control.AsError(err).Code, Message: err.Error()}
	switch {
	case errors.Is(err, identity.ErrInUse):
		e.Code = control.CodeConflict
		e.Message = fmt.Sprintf("the state directory %s is in use by another node", filepath.Dir(path))
		e.Fix = []string{"give this one its own with network.state"}
	case errors.Is(err, identity.ErrExposed):
		e.Code = control.CodePermission
		e.Fix = []string{
			"make it yours alone        chmod 600 " + path,
			"if somebody may have read it, remove it: the next start makes another",
		}
	case errors.Is(err, identity.ErrOwner):
		e.Code = control.CodePermission
		e.Fix = []string{"run vxmesh as the file's owner, or give it to this user with chown"}
	case errors.Is(err, identity.ErrMalformed):
		e.Code = control.CodeConfig
		e.Fix = []string{
			"put it back from a copy, or move it away: the next start makes another, whose key",
			"every peer has to be told",
		}
	case errors.Is(err, fs.ErrExist):
		e.Code, e.Message = control.CodeConflict, "there is an identity already: "+path
		e.Fix = []string{
			"show its key              vxmesh key show",
			"or move it away first; every peer has to be told the new key",
		}
	}
	return e
}
