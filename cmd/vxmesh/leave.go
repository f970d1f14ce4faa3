package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// leaveFlags are those of `leave`.
type leaveFlags struct{ yes, keepConfig, force bool }

// A leaveResult is what `leave --json` prints.
type leaveResult struct {
	Schema  string `json:"schema"`
	Network string `json:"network"`
	Node    string `json:"node"`   // the name it had; "" when the membership could not be read
	Told    bool   `json:"told"`   // a node ran, and has told the others
	State   string `json:"state"`  // the directory
	Kept    bool   `json:"kept"`   // files of others are in it
	Config  string `json:"config"` // where the file is now
}

func newLeaveCmd(g *globals) *cobra.Command {
	var f leaveFlags
	cmd := &cobra.Command{
		Use:   "leave NETWORK|FILE",
		Short: "Leave a network for good",
		Long: "Tells the other members that this machine leaves, ends the node, and removes its keys and\n" +
			"what else it kept. The config file stays under another name, FILE.left. To come back takes\n" +
			"a new invitation.",
		Example: "  sudo vxmesh leave home",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return leave(cmd, g, configPath(args[0]), f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	flags.BoolVar(&f.keepConfig, "keep-config", false, "leave the config file where it is")
	flags.BoolVar(&f.force, "force", false, "also as an admin, or when the others cannot be told")
	return cmd
}

func leave(cmd *cobra.Command, g *globals, path string, f leaveFlags) error {
	cfg, err := readConfig(nil, path)
	if err != nil {
		return err
	}
	if !membership.Exists(stateDir(cfg)) {
		return nothingToLeave(cfg, path)
	}
	h, err := homeToLeave(path, cfg, f.force)
	if err != nil {
		return err
	}
	r := leaveResult{Schema: "vxmesh.leave/1", Network: cfg.Network.Name, State: stateDir(cfg), Config: path}
	if h.member != nil {
		r.Node = h.member.Certificate().Name
		if err := h.mayLeave(cmd.Context(), g, f.force); err != nil {
			return err
		}
	}
	what := fmt.Sprintf("leaves %s, ends its node, and removes %s with this node's keys", r.Network, r.State)
	if err := confirm(cmd, f.yes, what, r.Network); err != nil {
		return err
	}
	if h.member != nil {
		bye := roster.Leaving(h.member.Anchor().ID(), h.member.SignKey(), time.Now())
		if r.Told, err = h.publish(cmd.Context(), g, bye.Item()); err != nil {
			return err
		}
	}
	if err := h.clear(cmd.Context(), &r, f.keepConfig); err != nil {
		return err
	}
	return answer(cmd.OutOrStdout(), g.json, r, leaveText)
}

// nothingToLeave says that the network of a file has no membership.
func nothingToLeave(cfg *config.Config, path string) error {
	e := &cmdError{
		code: exitNotFound,
		err:  fmt.Errorf("there is nothing to leave: this machine is no member of %s", cfg.Network.Name),
		hints: []string{
			"if you do not need the file any more, remove it: " + path,
		},
	}
	if len(cfg.Peers) > 0 {
		e.err = fmt.Errorf("there is nothing to leave: who is in %s stands in the [[peers]] of its files",
			cfg.Network.Name)
		e.hints = []string{"stop the node, and remove this one from the files of the others"}
	}
	return e
}

// homeToLeave opens the membership. One that is broken can only be cleared away, with force: it has
// no member then.
func homeToLeave(path string, cfg *config.Config, force bool) (*home, error) {
	h, err := openHomeAt(path)
	if err == nil || errors.Is(err, fs.ErrPermission) {
		return h, err
	}
	if force {
		return &home{path: path, cfg: cfg}, nil
	}
	return nil, &cmdError{
		code: reportOf(err).Code.Exit(),
		err:  fmt.Errorf("the membership in %s cannot be used: %w", stateDir(cfg), err),
		hints: []string{
			"remove it without telling the others: vxmesh leave --force " + path,
			"and have an admin remove this node: vxmesh peer remove NAME",
		},
	}
}

// mayLeave refuses an admin's leave: with it go the certificates that it issued. Those of one that was
// removed have gone already.
func (h *home) mayLeave(ctx context.Context, g *globals, force bool) error {
	if _, admin := h.member.Authority(); !admin || force || h.roster().Revoked(h.id.ID()) {
		return nil
	}
	list, err := h.members(ctx, g)
	if err != nil {
		return err
	}
	self := roster.NodeID(h.id.ID()).String()
	var lost []string
	for _, m := range list.Members {
		if m.Issuer == self && !m.Self {
			lost = append(lost, m.Name)
		}
	}
	e := &cmdError{code: exitFailed, err: errors.New("this node is an admin"), hints: []string{
		"have another admin remove it, who signs them anew: vxmesh peer remove " + h.member.Certificate().Name,
		"or leave all the same: --force",
	}}
	if len(lost) > 0 {
		e.err = fmt.Errorf("this node is an admin: the certificates of %s go with it", strings.Join(lost, ", "))
	}
	if _, err := h.member.NetworkKey(); err == nil {
		e.hints = append(e.hints, "the network's key is here, too: vxmesh key export takes it away")
	}
	return e
}

// endPatience is how long a node may take to end.
const endPatience = 3 * time.Second

// clear removes what the membership was, once no node uses it.
func (h *home) clear(ctx context.Context, r *leaveResult, keepConfig bool) error {
	if err := h.waitEnd(ctx); err != nil {
		return err
	}
	if err := removeState(h.cfg); err != nil {
		return setupError(err)
	}
	r.Kept = !missing(r.State)
	if keepConfig {
		return nil
	}
	if err := os.Rename(h.path, h.path+".left"); err != nil {
		return setupError(err)
	}
	r.Config += ".left"
	return nil
}

// waitEnd waits until no node uses the state directory: what it writes at its end would be left there.
func (h *home) waitEnd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		lock, err := atomicfile.TryLock(identityPath(h.cfg))
		if err == nil {
			return lock.Close() // on Windows what is open cannot be removed
		}
		if !errors.Is(err, atomicfile.ErrLocked) { // without keys no node runs
			return nil
		}
		select {
		case <-ctx.Done():
			return &cmdError{
				code: exitTimeout, err: fmt.Errorf("a node still uses %s, and nothing was removed", stateDir(h.cfg)),
				hints: []string{"stop it, then leave again"},
			}
		case <-poll.C:
		}
	}
}

// memberFiles are the files of the state directory that belong to a membership. What tells that there
// is one comes last, so that the next `leave` can finish what this one has begun.
var memberFiles = []string{
	"epoch", "members.json", "invitations.json", "network.key", hostsFile, "membership.lock", "membership.json",
}

// removeState removes what a node keeps, and the directory when nothing else is in it.
func removeState(cfg *config.Config) error {
	state := stateDir(cfg)
	names := slices.Clone(memberFiles)
	if !filepath.IsAbs(cfg.Security.Identity) { // first: keys that have left are good for nothing
		names = slices.Insert(names, 0, cfg.Security.Identity)
	}
	names = append(names, filepath.Base(markPath(cfg, identityPath(cfg))))
	atomicfile.Sweep(state, names...)
	for _, name := range names {
		if err := os.Remove(filepath.Join(state, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_ = os.Remove(state) // it stays when others use it
	return nil
}

func leaveText(r leaveResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "left %s; its file is %s\n", r.Network, r.Config)
	if r.Kept {
		fmt.Fprintf(&b, "there is more in %s, which stays\n", r.State)
	}
	if !r.Told {
		name := r.Node
		if name == "" {
			name = "NAME"
		}
		fmt.Fprintf(&b, "no node has told the others: they keep it on their lists until its certificate expires,\n"+
			"or until an admin removes it: vxmesh peer remove %s\n", name)
	}
	return b.String()
}

// revoked takes notice that this node is no member any more. The engine calls it, and is not to be
// waited for.
func (d *daemon) revoked(v *roster.Revocation) {
	if v.Kind != roster.Leave {
		return // it stays as it is, for people to see why nobody answers
	}
	select {
	case d.left <- struct{}{}:
	default:
	}
}

// noticeLeave takes notice of this node's own leave among what a client has published: of one that was
// removed before, the engine tells nothing new.
func (d *daemon) noticeLeave(items []roster.Item) {
	for _, it := range items {
		if it.Kind != roster.ItemRevocation {
			continue
		}
		v, err := roster.ParseRevocation(it.Raw)
		if err == nil && v.Node == roster.NodeID(d.id.ID()) {
			d.revoked(v)
		}
	}
}

// endOnLeave ends the node when it has left the network.
func (d *daemon) endOnLeave(ctx context.Context, stop func()) error {
	select {
	case <-ctx.Done():
	case <-d.left:
		d.log.Info("this node has left the network")
		stop()
	}
	return nil
}
