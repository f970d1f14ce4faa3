package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// client is the node of this network, if it runs.
func (h *home) client(g *globals) control.Client {
	switch {
	case g.socket != "":
		return control.Client{Socket: g.socket}
	case h.cfg.Control.Socket != "auto":
		return control.Client{Socket: h.cfg.Control.Socket}
	}
	return control.Client{Socket: control.SocketPath(h.cfg.Network.Name)}
}

// publish has the network take in signed items: through the node that is this process or runs here, else
// they are kept for its next start. It reports whether a node has told the network.
func (h *home) publish(ctx context.Context, g *globals, items ...roster.Item) (told bool, err error) {
	for part := range slices.Chunk(items, publishAtOnce) {
		out := make([]control.Item, len(part))
		for i, it := range part {
			out[i] = control.Item{Kind: uint8(it.Kind), Raw: it.Raw}
		}
		if h.node != nil {
			err = h.node.publish(control.Publish{Items: out})
		} else {
			_, err = h.client(g).Publish(ctx, out)
		}
		if errors.Is(err, control.ErrNoNode) {
			return false, h.keep(g, items)
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// publishAtOnce is how many items a request has at most: they fit what a node takes, with room to spare.
const publishAtOnce = 1000

// keep adds items to what this node will know at its next start.
func (h *home) keep(g *globals, items []roster.Item) error {
	lock, err := h.claim(g)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	now, r := time.Now(), h.roster()
	for _, it := range items {
		if _, err := r.Add(now, it); err != nil {
			return fmt.Errorf("not taken: %w", err)
		}
	}
	return setupError(h.member.SaveItems(r.Items()))
}

// claim keeps nodes from using the state directory until what it gives is closed. One that runs and
// was not found on its socket would write over what changes there.
func (h *home) claim(g *globals) (*os.File, error) {
	lock, err := atomicfile.TryLock(identityPath(h.cfg))
	if errors.Is(err, atomicfile.ErrLocked) {
		return nil, &cmdError{
			code: exitNoNode,
			err:  fmt.Errorf("a node uses %s, but none answers on %s", stateDir(h.cfg), h.client(g).Socket),
			hints: []string{
				"say where it answers with --socket",
				"or stop it first",
			},
		}
	}
	return lock, setupError(err)
}

// roster is what this node knew of the members last. What cannot be read others will tell again.
func (h *home) roster() *roster.Roster {
	r := roster.New(roster.Options{
		Anchor: h.member.Anchor(), Self: roster.NodeID(h.id.ID()), Built: buildTime(),
	})
	items, _ := h.member.Items()
	r.Restore(time.Now(), append([]roster.Item{h.member.Certificate().Item()}, items...))
	return r
}

// members lists who belongs to the network: as the node that runs here knows it, else as it knew it
// last.
func (h *home) members(ctx context.Context, g *globals) (control.Members, error) {
	if h.node != nil {
		return h.node.members(), nil
	}
	m, err := h.client(g).Members(ctx)
	if errors.Is(err, control.ErrNoNode) {
		return membersOf(h.member, h.id, h.roster().Members()), nil
	}
	if err == nil && m.Network != h.member.Anchor().ID().String() {
		err = control.Errorf(control.CodeConflict,
			"the node on %s is not in the network of %s", h.client(g).Socket, h.path)
	}
	return m, err
}

// membersHere lists members for whoever only wants to look: the node that runs is asked, and if none
// does, the files are read. The client is that of the node, nil in the other case.
func membersHere(cmd *cobra.Command, g *globals) (control.Members, *control.Client, error) {
	c, err := g.client()
	if err == nil {
		var m control.Members
		if m, err = c.Members(cmd.Context()); err == nil {
			return m, &c, nil
		}
	}
	if reportOf(err).Code != control.CodeNoNode || g.socket != "" {
		return control.Members{}, nil, err
	}
	h, noHome := openHome(cmd, g)
	if noHome != nil {
		if g.network != "" {
			err = noHome
		}
		return control.Members{}, nil, err
	}
	m, err := h.members(cmd.Context(), g)
	return m, nil, err
}

// sayNotTold says on w that no node has told the network what changed.
func sayNotTold(w io.Writer, told bool) {
	if !told {
		fmt.Fprintln(w, "no node runs here: the others learn of it when it does")
	}
}

// authority is this node's power to sign for the network, now.
func (h *home) authority() (roster.Authority, error) {
	a, ok := h.member.Authority()
	if !ok {
		return a, &cmdError{
			code: exitPermission, err: fmt.Errorf("this node is no admin of %s", h.member.Name()),
			hints: []string{
				"do it on an admin's node: vxmesh peer show NAME says who is one",
				"or bring the network's key here: vxmesh key import FILE",
			},
		}
	}
	if err := h.roster().Clock(time.Now()); err != nil {
		return a, &cmdError{
			code: exitFailed, err: fmt.Errorf("the time of day cannot be right: %w", err),
			hints: []string{"set the clock: timedatectl"},
		}
	}
	return a, nil
}

// reissue signs a certificate anew, with a life that begins now. It takes the place of the old one
// even where a clock was ahead.
func reissue(a roster.Authority, old roster.Certificate, now time.Time) (*roster.Certificate, error) {
	begin := now.UTC().Truncate(time.Second)
	if !begin.After(old.NotBefore) {
		begin = old.NotBefore.Add(time.Second)
	}
	old.NotBefore, old.NotAfter = begin, begin.Add(roster.CertificateLife)
	return a.Certify(old)
}

// missing reports whether there is no file of the name.
func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
