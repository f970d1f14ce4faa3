package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A peerAdded is what `peer add --json` prints.
type peerAdded struct {
	Schema    string               `json:"schema"`
	Network   string               `json:"network"`
	File      string               `json:"file"`
	Name      string               `json:"name"`
	Key       string               `json:"key"`
	Endpoints control.List[string] `json:"endpoints"`
	Relay     bool                 `json:"relay"`
	Segments  control.List[uint32] `json:"segments"` // that it is in, by VNI
	Reloaded  bool                 `json:"reloaded"` // a node ran, and has taken it
}

// A newPeer is what the flags of `peer add` say.
type newPeer struct {
	name      string
	key       string
	endpoints []string
	relay     bool
}

func newPeerAddCmd(g *globals) *cobra.Command {
	var p newPeer
	cmd := &cobra.Command{
		Use:   "add NAME --key KEY",
		Short: "Add a peer to the config, and have the node take it",
		Long: "Adds a [[peers]] to the end of the network's file, and has the node that runs reload it. What\n" +
			"the file or the node does not take changes nothing. The other node needs this one's key, too;\n" +
			"machines of a network with invitations need neither: see vxmesh invite.",
		Example: "  vxmesh key show                    # on the other machine\n" +
			"  sudo vxmesh peer add nas --key mHvS...= --endpoint nas.example.net:42420",
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.name = args[0]
			if err := p.check(cmd); err != nil {
				return err
			}
			r, err := p.add(cmd, g)
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, *r, peerAddedText)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.key, "key", "", "its public key, as `vxmesh key show` prints it there")
	flags.StringSliceVar(&p.endpoints, "endpoint", nil, "where it is reached, HOST:PORT; several times for several")
	flags.BoolVar(&p.relay, "relay", false, "it may pass on what this node sends to others")
	return cmd
}

// check refuses what the file cannot say.
func (p *newPeer) check(cmd *cobra.Command) error {
	if p.key == "" {
		return usageError(cmd, "--key is missing: `vxmesh key show` prints it on the other machine")
	}
	var key config.Key
	if err := key.UnmarshalTOML(p.key); err != nil {
		return usageError(cmd, "--key: %v", err)
	}
	p.key = key.String()
	for _, e := range p.endpoints {
		if e == "" {
			return usageError(cmd, "--endpoint is empty: it is HOST:PORT")
		}
		if err := new(config.HostPort).UnmarshalTOML(e); err != nil {
			return usageError(cmd, "--endpoint: %v", err)
		}
	}
	return nil
}

// block is the peer as it stands in a file.
func (p *newPeer) block() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n[[peers]]\nname = %q\nkey = %q\n", p.name, p.key)
	if len(p.endpoints) > 0 {
		quoted := make([]string, len(p.endpoints))
		for i, e := range p.endpoints {
			quoted[i] = fmt.Sprintf("%q", e)
		}
		fmt.Fprintf(&b, "endpoints = [%s]\n", strings.Join(quoted, ", "))
	}
	if p.relay {
		b.WriteString("relay = true\n")
	}
	return b.String()
}

// add adds the peer to the file, whole or not at all.
func (p *newPeer) add(cmd *cobra.Command, g *globals) (*peerAdded, error) {
	path, err := p.file(cmd, g)
	if err != nil {
		return nil, err
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	after := string(before)
	if after != "" && !strings.HasSuffix(after, "\n") {
		after += "\n"
	}
	after += p.block()
	cfg, err := p.parse(cmd, path, before, []byte(after))
	if err != nil {
		return nil, err
	}
	client := (&home{cfg: cfg}).client(g)
	if err := runsFile(cmd.Context(), client, path); err != nil {
		return nil, err
	}
	r := &peerAdded{
		Schema: "vxmesh.peer_added/1", Network: cfg.Network.Name, File: path, Name: p.name, Key: p.key,
		Endpoints: p.endpoints, Relay: p.relay,
	}
	for _, s := range cfg.Segments {
		if s.Peers.Has(p.name) {
			r.Segments = append(r.Segments, s.VNI)
		}
	}
	if err := replaceConfig(path, []byte(after)); err != nil {
		return nil, setupError(err)
	}
	r.Reloaded, err = reloadOr(cmd.Context(), client, func() error { return replaceConfig(path, before) })
	return r, err
}

// file is the config file that the peer is to be in: that of the node that runs, unless --network names one.
func (p *newPeer) file(cmd *cobra.Command, g *globals) (string, error) {
	path := g.network
	if !strings.ContainsAny(path, `./\`) {
		path = ""
		if c, err := g.client(); err == nil {
			if st, err := c.Status(cmd.Context()); err == nil && filepath.IsAbs(st.Config.File) {
				path = st.Config.File
			}
		}
	}
	if path == "" {
		files, err := configFiles(g.network)
		if err != nil {
			return "", err
		}
		if len(files) > 1 {
			return "", usageError(cmd, "there are %d networks; say which with --network", len(files))
		}
		path = files[0]
	}
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path) // what a link leads to is replaced, not the link
	}
	return path, fileError(path, err)
}

// parse gives the config with the peer in it. That the name or the key is there already, or is this
// node's own, is told apart from other mistakes.
func (p *newPeer) parse(cmd *cobra.Command, path string, before, after []byte) (*config.Config, error) {
	was, err := config.LoadPart(path, "network", "security", "peers")
	if err != nil {
		return nil, err
	}
	for _, other := range was.Peers {
		switch {
		case other.Name == p.name:
			return nil, control.Errorf(control.CodeConflict, "there is a peer called %s already", p.name)
		case other.Key.String() == p.key:
			return nil, control.Errorf(control.CodeConflict, "%s has this key already", other.Name)
		}
	}
	if id, err := identity.Load(identityPath(was)); err == nil && config.Key(id.PublicKey()).String() == p.key {
		return nil, usageError(cmd,
			"this is the key of this node itself: `vxmesh key show` on %s prints the right one", p.name)
	}
	cfg, err := config.Parse(path, after)
	problems, isList := errors.AsType[config.Errors](err)
	if !isList {
		return cfg, err
	}
	if _, bad := config.Parse(path, before); bad != nil {
		return nil, problems // they were there before
	}
	return nil, usageError(cmd, "%s: %s", problems[0].Key, problems[0].Message)
}

// runsFile refuses when a node runs with another file than this: it would not see what changes here.
func runsFile(ctx context.Context, c control.Client, path string) error {
	st, err := c.Status(ctx)
	if errors.Is(err, control.ErrNoNode) {
		return nil
	}
	if err != nil || !filepath.IsAbs(st.Config.File) {
		return err
	}
	a, errA := os.Stat(path)
	b, errB := os.Stat(st.Config.File)
	if errA == nil && errB == nil && !os.SameFile(a, b) {
		return control.Errorf(control.CodeConflict, "the node on %s runs %s, not %s", c.Socket, st.Config.File, path)
	}
	return nil
}

// reloadOr has the node take the file, if one runs, or undoes what changed in it.
func reloadOr(ctx context.Context, c control.Client, undo func() error) (bool, error) {
	_, err := c.Reload(ctx)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, control.ErrNoNode):
		return false, nil
	case control.AsError(err).Code == control.CodeTimeout: // it may have taken the file
		return false, fmt.Errorf("the file has the peer, but %w", err)
	}
	if undone := undo(); undone != nil {
		return false, errors.Join(err, fmt.Errorf("and the file was not changed back: %w", undone))
	}
	return false, fmt.Errorf("the file is as it was: %w", err)
}

// replaceConfig writes a config file in place of the one that there is, for those who could read that.
func replaceConfig(path string, text []byte) error {
	was, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := atomicfile.Replace(path, text); err != nil {
		return err
	}
	return errors.Join(keepOwner(path, was), os.Chmod(path, was.Mode()&fs.ModePerm))
}

func peerAddedText(r peerAdded) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is in %s\n", r.Name, r.File)
	if !r.Reloaded {
		fmt.Fprintf(&b, "no node runs here: it is taken when %s is joined\n", r.Network)
	}
	if len(r.Segments) == 0 {
		fmt.Fprintf(&b, "no segment names it: add %q to the peers of one\n", r.Name)
	}
	if len(r.Endpoints) == 0 {
		b.WriteString("it has no endpoint: it has to call this node\n")
	}
	return b.String()
}
