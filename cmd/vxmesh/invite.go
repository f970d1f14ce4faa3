package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"rsc.io/qr"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// invitationTTL is how long an invitation is good for when nobody says otherwise.
const invitationTTL = 24 * time.Hour

// inviteFlags say what an invitation is for.
type inviteFlags struct {
	name      string
	ttl       time.Duration
	uses      int
	segments  []uint
	addresses []string
	macs      int
	noBridge  bool
	admin     bool
	endpoints []string
	out       string
	qr        bool
}

func newInviteCmd(g *globals) *cobra.Command {
	var f inviteFlags
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "Invite a machine into the network",
		Long: "Makes an invitation: one line that lets one machine join the network, within a day,\n" +
			"through this node, which has to run then. Who has the line can join with it: send it\n" +
			"as you would send a password.",
		Example: "  sudo vxmesh invite\n  sudo vxmesh invite --name nas --ttl 1h --qr\n  sudo vxmesh invite list",
		Args:    noSuchCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return invite(cmd, g, &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "what the machine will be called (default: as it likes)")
	flags.DurationVar(&f.ttl, "ttl", invitationTTL, "for how long it can be used")
	flags.IntVar(&f.uses, "uses", 1, "by how many machines")
	flags.StringSliceVar(&f.addresses, "address", nil, "its address, CIDR (default: a free one of the network's)")
	flags.UintSliceVar(&f.segments, "segment", nil, "only these segments, by VNI (default: all)")
	flags.IntVar(&f.macs, "macs", 0, "the most source addresses it may send from in a segment (default: no limit)")
	flags.BoolVar(&f.noBridge, "no-bridge", false, "it may send from one source address only")
	flags.BoolVar(&f.admin, "admin", false, "it becomes an admin; needs the network's key here, and when it joins")
	flags.StringSliceVar(&f.endpoints, "endpoint", nil, "where this node is reached, HOST:PORT (default: its addresses)")
	flags.StringVar(&f.out, "out", "", "write the line to this file instead")
	flags.BoolVar(&f.qr, "qr", false, "show it as a QR code, too")
	flags.Lookup("segment").DefValue = "" // help would say []
	cmd.AddCommand(newInviteListCmd(g), newInviteRevokeCmd(g))
	return cmd
}

// A home is a network that this machine is a member of, as it is on the disk.
type home struct {
	path   string // of the config
	cfg    *config.Config
	id     identity.Identity
	member *membership.Member
	node   *daemon // that runs it and is this process; nil in a command
}

// openHome opens the network that --network names, or the only one.
func openHome(cmd *cobra.Command, g *globals) (*home, error) {
	files, err := configFiles(g.network)
	if err != nil {
		return nil, err
	}
	if len(files) > 1 {
		return nil, usageError(cmd, "there are %d networks; say which with --network", len(files))
	}
	return openHomeAt(files[0])
}

func openHomeAt(path string) (*home, error) {
	h := &home{path: path}
	var err error
	if h.cfg, err = readConfig(nil, path); err != nil {
		return nil, err
	}
	if h.id, err = identity.Load(identityPath(h.cfg)); err == nil {
		h.member, err = membership.Open(stateDir(h.cfg), h.id)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noKeyError(h.cfg)
	case err != nil:
		return nil, setupError(err)
	}
	return h, nil
}

func invite(cmd *cobra.Command, g *globals, f *inviteFlags) error {
	if f.qr && g.json {
		return usageError(cmd, "--qr and --json: take one of them")
	}
	h, err := openHome(cmd, g)
	if err != nil {
		return err
	}
	o, err := f.options(cmd)
	if err != nil {
		return err
	}
	r, err := h.invite(o)
	if err != nil {
		return err
	}
	line := r.Token
	if f.out != "" {
		if err := atomicfile.Replace(f.out, []byte(line+"\n")); err != nil {
			return setupError(err)
		}
		r.Token, r.File = "", f.out
	}
	if err := answer(cmd.OutOrStdout(), g.json, *r, inviteText); err != nil || !f.qr {
		return err
	}
	return printQR(cmd.OutOrStdout(), line)
}

func inviteText(r control.InviteResult) string {
	if r.File != "" {
		return fmt.Sprintf("invitation %s is in %s; on the other machine, until %s\n  sudo vxmesh join @FILE\n",
			r.ID, r.File, r.Expires.Format(time.RFC3339))
	}
	return fmt.Sprintf("invitation %s, for %s, until %s; on the other machine\n  sudo vxmesh join %s\n",
		r.ID, plural(r.Uses, "machine", "machines"), r.Expires.Format(time.RFC3339), r.Token)
}

// noKeyError says that a node is no member of a network with members.
func noKeyError(cfg *config.Config) error {
	return &cmdError{
		code: exitNotFound, err: fmt.Errorf("%s is no network with invitations: it has no key", cfg.Network.Name),
		hints: []string{"make one with vxmesh init NETWORK, or join one with an invitation"},
	}
}

// invite makes an invitation. Where o names no endpoints, a joiner will look for this node at the
// addresses of this machine; where it names no segment, the joiner's device is in the first.
func (h *home) invite(o *membership.InviteOptions) (*control.InviteResult, error) {
	if o.VNI == 0 {
		o.VNI = h.cfg.Segments[0].VNI
	}
	if len(o.Endpoints) == 0 {
		o.Endpoints = ownEndpoints(h.cfg, h.id, roster.MaxTokenEndpoints)
	}
	if len(o.Endpoints) == 0 {
		return nil, &cmdError{
			code: exitFailed, err: errors.New("this machine has no address that another could reach"),
			hints: []string{
				"name one with --endpoint HOST:PORT", "or let an interface's be offered: listen.interfaces",
			},
		}
	}
	o.Endpoints = o.Endpoints[:min(len(o.Endpoints), roster.MaxTokenEndpoints)]
	token, inv, err := h.member.Invite(*o)
	if err != nil {
		return nil, inviteError(h, err)
	}
	line, err := token.Encode()
	if err != nil {
		return nil, err
	}
	return &control.InviteResult{
		Schema: control.SchemaInvite, Network: h.cfg.Network.Name, ID: inv.ID.Short(), Token: line,
		Expires: inv.Expires.UTC(), Uses: inv.Uses,
	}, nil
}

// options are what the flags ask for.
func (f *inviteFlags) options(cmd *cobra.Command) (*membership.InviteOptions, error) {
	if err := f.check(cmd); err != nil {
		return nil, err
	}
	o := &membership.InviteOptions{
		Node: f.name, TTL: f.ttl, Uses: f.uses, Now: time.Now(),
		Rights: roster.Rights{Bridge: !f.noBridge, MACs: f.macs, Admin: f.admin},
	}
	for _, vni := range f.segments {
		o.Rights.Segments = append(o.Rights.Segments, uint32(vni))
		o.VNI = o.Rights.Segments[0]
	}
	for _, a := range f.addresses {
		p, err := netip.ParsePrefix(a)
		if err != nil {
			return nil, usageError(cmd, "--address %q is not like 10.42.0.11/24", a)
		}
		o.Addresses = append(o.Addresses, p)
	}
	for _, e := range f.endpoints {
		found, err := lookUp(cmd.Context(), e)
		if err != nil {
			return nil, usageError(cmd, "--endpoint %s: %v", e, err)
		}
		o.Endpoints = append(o.Endpoints, found...)
	}
	return o, nil
}

// check refuses what no invitation can say.
func (f *inviteFlags) check(cmd *cobra.Command) error {
	if f.name != "" {
		if err := roster.ValidName(f.name); err != nil {
			return usageError(cmd, "--name %q: %v", f.name, err)
		}
	}
	if f.ttl <= 0 || f.uses < 1 || f.macs < 0 || f.macs > 1<<16-1 {
		return usageError(cmd, "--ttl and --uses are at least one, --macs is 0 to 65535")
	}
	for _, vni := range f.segments {
		if vni < 1 || vni > 1<<24-1 {
			return usageError(cmd, "--segment %d is no VNI", vni)
		}
	}
	return nil
}

// lookUp gives the addresses of HOST:PORT.
func lookUp(ctx context.Context, endpoint string) (out []netip.AddrPort, err error) {
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		return nil, err
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return nil, err
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for _, a := range addrs {
		out = append(out, netip.AddrPortFrom(a.Unmap(), uint16(number)))
	}
	return out, err
}

// inviteError says who may invite.
func inviteError(h *home, err error) error {
	if errors.Is(err, membership.ErrNoAdmin) {
		return &cmdError{
			code: exitPermission, err: fmt.Errorf("this node is no admin of %s", h.cfg.Network.Name),
			hints: []string{"invite on an admin's node: vxmesh peer show NAME says who is one", "or bring the network's key here: vxmesh key import FILE"},
		}
	}
	if errors.Is(err, membership.ErrNoNetworkKey) {
		return &cmdError{code: exitPermission, err: err, hints: []string{"vxmesh key import FILE"}}
	}
	return setupError(err)
}

func newInviteListCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the invitations made here",
		Example: "  sudo vxmesh invite list",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := openHome(cmd, g)
			if err != nil {
				return err
			}
			list, err := h.member.Invitations()
			if err != nil {
				return setupError(err)
			}
			return answer(cmd.OutOrStdout(), g.json, invitationsOf(h, list, time.Now()), invitationsText)
		},
	}
}

func newInviteRevokeCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "Make an invitation worthless",
		Example: "  sudo vxmesh invite revoke 3fa9c2d1",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := openHome(cmd, g)
			if err != nil {
				return err
			}
			list, err := h.revoke(args[0])
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, list, revokedText)
		},
	}
}

// revoke makes an invitation worthless, and gives it as it is then.
func (h *home) revoke(id string) (control.Invitations, error) {
	inv, err := h.member.RevokeInvitation(id)
	if errors.Is(err, membership.ErrNoInvitation) {
		err = &cmdError{code: exitNotFound, err: err, hints: []string{"see vxmesh invite list"}}
	}
	if err != nil {
		return control.Invitations{}, setupError(err)
	}
	return invitationsOf(h, []membership.Invitation{inv}, time.Now()), nil
}

func revokedText(l control.Invitations) string {
	var text string
	for _, i := range l.Invitations {
		text += "invitation " + i.ID + " is revoked\n"
		for _, name := range i.Spent {
			text += fmt.Sprintf("it let %s in before, which stays a member: vxmesh peer remove %s\n", name, name)
		}
	}
	return text
}

func invitationsOf(h *home, list []membership.Invitation, now time.Time) control.Invitations {
	out := control.Invitations{Schema: control.SchemaInvitations, Network: h.cfg.Network.Name}
	for _, i := range list {
		row := control.Invitation{
			ID: i.ID.Short(), State: i.State(now), Node: i.Node, Created: i.Created.UTC(),
			Expires: i.Expires.UTC(), Uses: i.Uses,
		}
		for _, s := range i.Spent {
			row.Spent = append(row.Spent, s.Name)
		}
		out.Invitations = append(out.Invitations, row)
	}
	return out
}

func invitationsText(l control.Invitations) string {
	var t table
	t.add("ID", "STATE", "FOR", "EXPIRES", "USED", "BY")
	for _, i := range l.Invitations {
		t.add(i.ID, i.State, i.Node, i.Expires.Format(time.RFC3339),
			fmt.Sprintf("%d/%d", len(i.Spent), i.Uses), strings.Join(i.Spent, ", "))
	}
	return t.String()
}

// printQR draws a line as a QR code of half blocks, dark on light, with the four modules of margin
// that readers need (ISO/IEC 18004, 9.1). Upper case takes less room.
func printQR(w io.Writer, line string) error {
	code, err := qr.Encode(strings.ToUpper(line), qr.L)
	if err != nil {
		return err
	}
	const margin = 4
	var b strings.Builder
	for y := -margin; y < code.Size+margin; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -margin; x < code.Size+margin; x++ {
			b.WriteString(map[[2]bool]string{
				{false, false}: " ", {true, false}: "▀", {false, true}: "▄", {true, true}: "█",
			}[[2]bool{code.Black(x, y), code.Black(x, y+1)}])
		}
		b.WriteString("\x1b[0m\n")
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// readInvitation gives the token that an argument of `join` means: the line itself, @FILE, or - for
// standard input.
func readInvitation(stdin io.Reader, arg string) (string, error) {
	var text []byte
	var err error
	switch {
	case arg == "-":
		text, err = io.ReadAll(io.LimitReader(stdin, 1<<16))
	case strings.HasPrefix(arg, "@"):
		text, err = os.ReadFile(arg[1:])
	default:
		return arg, nil
	}
	if err != nil {
		return "", fileError(strings.TrimPrefix(arg, "@"), err)
	}
	return strings.TrimSpace(string(text)), nil
}
