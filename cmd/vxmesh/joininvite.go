package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/enrol"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// isInvitation reports whether an argument of `join` is an invitation, or where one is.
func isInvitation(arg string) bool {
	return arg == "-" || strings.HasPrefix(arg, "@") ||
		len(arg) >= 4 && strings.EqualFold(arg[:4], roster.TokenPrefix)
}

// joinInvitation joins the network of an invitation and runs it, as a service where there are any and
// foreground is not set. Whatever happens on the way, it can
// be done again: the keys are on the disk before anybody hears of them, and the config file is the
// last to be written.
func joinInvitation(cmd *cobra.Command, g *globals, arg string, f setupFlags, yes, foreground bool) error {
	text, err := readInvitation(cmd.InOrStdin(), arg)
	if err != nil {
		return err
	}
	token, err := roster.ParseToken(text)
	if err != nil {
		return &cmdError{code: exitUsage, err: err, hints: []string{
			"copy it whole, with vxm1 at the beginning; or have it in a file: vxmesh join @FILE",
		}}
	}
	if f.name == "" {
		f.name = token.NodeName
	}
	if f.vni == 0 {
		f.vni = token.VNI
	}
	f.offered = token.Addresses
	s, err := newSetup(cmd, token.NetworkName, f)
	if err != nil {
		return err
	}
	if s.joined(token.Network) {
		fmt.Fprintf(cmd.ErrOrStderr(), "this machine is a member of %s already; running it\n", s.network)
		return s.goOn(cmd.Context(), g, cmd.ErrOrStderr(), theServices(), foreground)
	}
	if err := s.expects(cmd, token, yes); err != nil {
		return err
	}
	show := newProgress(cmd, g, true)
	defer show.close()
	if err := s.enrol(cmd.Context(), cmd, token, show); err != nil {
		return err
	}
	show.close()
	return s.goOn(cmd.Context(), g, cmd.ErrOrStderr(), theServices(), foreground)
}

// joined reports whether the config file is there and this machine is a member of the network by it.
func (s *setup) joined(network roster.NetworkID) bool {
	cfg, err := config.Load(s.config)
	if err != nil {
		return false
	}
	id, err := identity.Load(identityPath(cfg))
	if err != nil {
		return false
	}
	m, err := membership.Open(stateDir(cfg), id)
	return err == nil && m.Anchor().ID() == network
}

// expects says what joining does to this machine, and asks a person whether to go on.
func (s *setup) expects(cmd *cobra.Command, token *roster.Token, yes bool) error {
	if _, err := os.Stat(s.config); err == nil {
		return s.free()
	}
	device := "a new Ethernet device, in no bridge"
	switch {
	case s.flags.relay:
		device = "no device: it only introduces the others to each other, and relays"
	case s.flags.stack:
		device = "no interface: the program has an IP stack of its own, and needs no root"
	case s.flags.bridge != "":
		device = "a new Ethernet device in bridge " + s.flags.bridge + ": the LAN behind it becomes part of the network"
	}
	out := cmd.ErrOrStderr()
	fmt.Fprintf(out, "network   %s, %s\nthis node %s\nwrites    %s, %s\nadds      %s\n",
		token.NetworkName, words(token.Network), s.node, s.config, s.state, device)
	in, isFile := cmd.InOrStdin().(*os.File)
	if yes || !isFile || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	fmt.Fprint(out, "go on? [y/N] ")
	line, _ := bufio.NewReader(in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return &cmdError{code: exitFailed, err: errors.New("nothing was changed")}
	}
	return nil
}

// words is the beginning of a network's id, in groups that people can compare.
func words(id roster.NetworkID) string {
	text := id.String()
	var groups []string
	for i := 0; i < 32; i += 4 {
		groups = append(groups, text[i:i+4])
	}
	return strings.Join(groups, " ")
}

// enrol makes this machine a member, unless an earlier attempt has, and writes the config file.
func (s *setup) enrol(ctx context.Context, cmd *cobra.Command, token *roster.Token, show *progress) error {
	if err := s.ready(); err != nil {
		return err
	}
	id, err := s.identity()
	if err != nil {
		return err
	}
	m, err := membership.Open(s.state, id)
	switch {
	case err == nil && m.Anchor().ID() != token.Network:
		return s.free()
	case err == nil:
		fmt.Fprintln(cmd.ErrOrStderr(), "this machine is a member already; going on")
	case errors.Is(err, fs.ErrNotExist):
		if err := s.redeem(ctx, token, id, show); err != nil {
			return err
		}
	default:
		return setupError(err)
	}
	return show.try("writing "+s.config, s.config, func() error {
		return setupError(s.write(s.vni(token.Network)))
	})
}

// redeem asks the inviter.
func (s *setup) redeem(ctx context.Context, token *roster.Token, id identity.Identity, show *progress) error {
	if time.Now().After(token.Expires) {
		return &cmdError{
			code: exitFailed, err: fmt.Errorf("the invitation expired on %s", token.Expires.Format(time.RFC1123)),
			hints: []string{"ask for a new one: vxmesh invite", "or is this machine's clock wrong? date"},
		}
	}
	epoch, err := identity.NextEpoch(s.state)
	if err != nil {
		return setupError(err)
	}
	var result *enrol.Result
	err = show.try("asking to be let into "+token.NetworkName, "certificate", func() (err error) {
		result, err = enrol.Join(ctx, enrol.Options{
			Token: token, Session: id.PrivateKey(), Sign: id.SigningKey(), Name: s.node, Epoch: epoch,
		})
		return err
	})
	if err != nil {
		return enrolError(err, token)
	}
	_, err = membership.Enrol(s.state, membership.EnrolOptions{
		Identity: id, Grant: result.Grant, Items: result.Items, Now: time.Now(),
		Seeds: []membership.Seed{{Session: token.Inviter, Endpoints: token.Endpoints}},
	})
	return setupError(err)
}

// enrolError gives a failed redemption the exit code and the advice that belong to it.
func enrolError(err error, token *roster.Token) error {
	refusal, refused := errors.AsType[*roster.Refusal](err)
	switch {
	case refused:
		ce := &cmdError{code: exitFailed, err: fmt.Errorf("not let into %s: %w", token.NetworkName, err)}
		switch refusal.Reason {
		case roster.RefusedName:
			ce.code = exitConflict
			ce.hints = []string{"join under another name: --name NAME"}
		case roster.RefusedUsed:
			ce.hints = []string{"if that was not you: on the inviter, vxmesh invite list, vxmesh peer remove NAME"}
		case roster.RefusedNotNow, roster.RefusedClock:
			ce.hints = []string{"see there what vxmesh status says; the same invitation can be tried again"}
		default:
			ce.hints = []string{"ask for a new invitation: vxmesh invite"}
		}
		return ce
	case errors.Is(err, enrol.ErrNoAnswer):
		return &cmdError{code: exitTimeout, err: err, hints: []string{
			"is vxmesh running there, and is the invitation still good? there: vxmesh invite list",
			"does a firewall or router on the way let UDP through to it?",
			"the same invitation can be tried again",
		}}
	case errors.Is(err, context.Canceled):
		return control.Errorf(control.CodeFailed, "interrupted; the same invitation can be tried again")
	}
	return err
}
