package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// setupFlags are what `init` and `join` of an invitation ask about this machine.
type setupFlags struct {
	name    string // this node's; "" is the host's
	bridge  string
	address string // CIDR, "auto" or "none"; "" is what fits
	config  string
	state   string
	vni     uint32         // 0: the network's own
	relay   bool           // no device: it introduces the others and passes on what they say
	stack   bool           // a stack of the program's own in place of an interface
	offered []netip.Prefix // by the inviter, when nobody says otherwise
}

func (f *setupFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "this node's name (default: the short host name)")
	flags.StringVar(&f.bridge, "bridge", "", "join this bridge, and so stretch the LAN behind it")
	flags.StringVar(&f.address, "address", "", "this node's address: CIDR, auto, or none (default auto; none with --bridge)")
	flags.StringVar(&f.config, "config", "", "the file to write (default /etc/vxmesh/NETWORK.toml)")
	flags.StringVar(&f.state, "state", "", "the state directory (default /var/lib/vxmesh/NETWORK)")
	flags.BoolVar(&f.relay, "relay-only", false, "no interface here, so no root: only introduce and relay, as on a small server")
	flags.BoolVar(&f.stack, "userspace", false, "no interface here, so no root: the program has an IP stack of its own")
	flags.Uint32Var(&f.vni, "vni", 0, "the segment's number (default: the network's own)")
}

// An initResult is what `init --json` prints.
type initResult struct {
	Schema     string `json:"schema"`
	Network    string `json:"network"`
	ID         string `json:"id"`   // of the network, hexadecimal
	Node       string `json:"node"` // its name
	Config     string `json:"config"`
	State      string `json:"state"`
	VNI        uint32 `json:"vni"`
	Invitation string `json:"invitation"` // the line for the next machine; "" where it has no address to name
	Expires    string `json:"expires"`    // "" without an invitation
}

func newInitCmd(g *globals) *cobra.Command {
	var f setupFlags
	var start, foreground bool
	cmd := &cobra.Command{
		Use:   "init NETWORK",
		Short: "Make a network, with this machine as its first node",
		Long: "Makes a network: its key, this node's keys and certificate, a commented config file,\n" +
			"and a first invitation for the next machine. Nothing on this machine is changed until\n" +
			"the network is run, which --start does at once.",
		Example: "  sudo vxmesh init home --start\n  sudo vxmesh init home --bridge br0",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := newSetup(cmd, args[0], f)
			if err != nil {
				return err
			}
			result, err := s.found(time.Now())
			if err != nil {
				return err
			}
			if err := answer(cmd.OutOrStdout(), g.json, result, s.foundText); err != nil || !start {
				return err
			}
			return s.goOn(cmd.Context(), g, cmd.ErrOrStderr(), theServices(), foreground)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&start, "start", false, "run the network at once, as a service where there are any")
	cmd.Flags().BoolVar(&foreground, "foreground", false, "with --start: in the foreground, also where there are services")
	return cmd
}

// A setup is a network about to be set up on this machine, by `init` or by an invitation.
type setup struct {
	network string
	node    string
	config  string // path
	state   string // directory
	flags   setupFlags
}

func newSetup(cmd *cobra.Command, network string, f setupFlags) (*setup, error) {
	cfg := config.Default()
	cfg.Network.Name, cfg.Network.Node = network, f.name
	if f.state != "" {
		state, err := filepath.Abs(f.state)
		if err != nil {
			return nil, err
		}
		cfg.Network.State = state
	}
	s := &setup{network: network, node: nodeName(cfg), state: stateDir(cfg), flags: f}
	s.config = f.config
	if s.config == "" {
		s.config = newConfigPath(network, f.relay || f.stack)
	}
	if err := roster.ValidName(network); err != nil {
		return nil, usageError(cmd, "%q cannot be a network's name: %v", network, err)
	}
	if err := roster.ValidName(s.node); err != nil {
		return nil, usageError(cmd, "%q cannot be this node's name: %v; give it one with --name", s.node, err)
	}
	if f.relay && (f.bridge != "" || f.address != "" && f.address != "none") {
		return nil, usageError(cmd, "with --relay-only there is no interface that could have an address or a bridge")
	}
	if f.stack && (f.relay || f.bridge != "" || f.address == "none") {
		return nil, usageError(cmd, "with --userspace the node has an address, no bridge, and is not --relay-only")
	}
	s.flags.address = f.addressing()
	// What the file will say is checked before anything is written.
	if _, err := config.Parse(s.config, s.file(1)); err != nil {
		return nil, err
	}
	return s, nil
}

// addressing is how the device gets its address: what was asked for, or what fits.
func (f *setupFlags) addressing() string {
	switch {
	case f.address != "":
		return f.address
	case f.relay:
		return "none"
	case len(f.offered) > 0:
		return "offered"
	case f.bridge != "":
		return "none"
	}
	return "auto"
}

// free refuses to set up what is there already.
func (s *setup) free() error {
	if _, err := os.Stat(s.config); err == nil {
		return &cmdError{
			code: exitConflict, err: fmt.Errorf("there is a file %s already", s.config),
			hints: []string{
				"run what it says      sudo vxmesh join " + s.config,
				"or choose another     --config FILE, or another name for the network",
			},
		}
	}
	if membership.Exists(s.state) {
		return &cmdError{
			code: exitConflict, err: fmt.Errorf("this machine is a member of network %s already: %s", s.network, s.state),
			hints: []string{
				"leave it first        sudo vxmesh leave " + s.network,
				"or choose another     --state DIR, or another name for the network",
			},
		}
	}
	return nil
}

// found makes the network. The config file comes last: without it nothing has been made yet, and
// the next `init` goes on from what is there.
func (s *setup) found(now time.Time) (*initResult, error) {
	if _, err := os.Stat(s.config); err == nil || !membership.Exists(s.state) {
		if err := s.free(); err != nil {
			return nil, err
		}
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	id, err := s.identity()
	if err != nil {
		return nil, err
	}
	m, err := membership.Open(s.state, id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m, err = membership.Found(s.state, membership.FoundOptions{
			Network: s.network, Identity: id, Node: s.node, Now: now,
			Rights: roster.Rights{Bridge: true, Admin: true},
		})
	case err == nil && m.Name() != s.network:
		return nil, s.free()
	}
	if err != nil {
		return nil, setupError(err)
	}
	r := &initResult{
		Schema: "vxmesh.init/1", Network: s.network, ID: m.Anchor().ID().String(), Node: s.node,
		Config: s.config, State: s.state, VNI: s.vni(m.Anchor().ID()),
	}
	if s.flags.address == "auto" {
		if err := keepHost(s.state, r.VNI, 1); err != nil {
			return nil, setupError(err)
		}
	}
	if err := s.invite(m, id, now, r); err != nil {
		return nil, setupError(err)
	}
	return r, setupError(s.write(r.VNI))
}

// invite makes the first invitation, where this machine has an address that another may reach.
func (s *setup) invite(m *membership.Member, id identity.Identity, now time.Time, r *initResult) error {
	cfg, err := config.Parse(s.config, s.file(r.VNI))
	if err != nil {
		return err
	}
	endpoints := ownEndpoints(cfg, id, roster.MaxTokenEndpoints)
	if len(endpoints) == 0 {
		return nil
	}
	token, invitation, err := m.Invite(membership.InviteOptions{
		TTL: invitationTTL, Uses: 1, Now: now, VNI: r.VNI, Rights: roster.Rights{Bridge: true}, Endpoints: endpoints,
	})
	if err != nil {
		return err
	}
	r.Expires = invitation.Expires.UTC().Format(time.RFC3339)
	r.Invitation, err = token.Encode()
	return err
}

// identity makes this node's keys, or takes those that an earlier attempt has made.
func (s *setup) identity() (identity.Identity, error) {
	path := filepath.Join(s.state, config.Default().Security.Identity)
	id, err := identity.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return id, setupError(err)
	}
	if err != nil {
		return id, identityError(path, err)
	}
	return id, nil
}

// vni is the segment's number: what was asked for, or the network's own.
func (s *setup) vni(network roster.NetworkID) uint32 {
	if s.flags.vni != 0 {
		return s.flags.vni
	}
	return roster.DefaultVNI(network)
}

// setupError gives an error of writing to this machine the exit code and the advice that belong to
// it.
func setupError(err error) error {
	if err == nil {
		return nil
	}
	if _, said := errors.AsType[*control.Error](err); said {
		return err
	}
	if errors.Is(err, fs.ErrPermission) {
		return &cmdError{code: exitPermission, err: err, hints: []string{
			"run it as root, with sudo", "or without root and without an interface: --userspace",
			"or keep it elsewhere with --config FILE and --state DIR",
		}}
	}
	return err
}

// sudo is what stands before a command on this machine. Without an interface a node needs no root, and root
// would not find what this user keeps in the own home.
func (s *setup) sudo(euid int) string {
	if (s.flags.relay || s.flags.stack) && euid > 0 {
		return ""
	}
	return "sudo "
}

func (s *setup) foundText(r *initResult) string {
	sudo := s.sudo(os.Geteuid())
	run := sudo + "vxmesh join " + s.network
	if s.flags.config != "" {
		run = sudo + "vxmesh join " + s.config
	}
	next := fmt.Sprintf("and on the next machine, until %s, once\n  sudo vxmesh join %s", r.Expires, r.Invitation)
	if r.Invitation == "" {
		next = "this machine has no address that another could reach: to invite the next, name one\n" +
			"  " + sudo + "vxmesh invite --endpoint HOST:PORT"
	}
	return fmt.Sprintf(`network %s is made; this machine, %s, is its first node and its admin
  config    %s
  state     %s, with the network's key: take it off with vxmesh key export

run it here
  %s

%s
more invitations: %svxmesh invite
`, r.Network, r.Node, r.Config, r.State, run, next, sudo)
}
