package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A patient is a network on this machine as the doctor finds it: what is on the disk, and the node if
// one runs.
type patient struct {
	sys     system
	network string // its name, "" when there is none

	path   string         // of the config; "" when there is none
	cfg    *config.Config // nil when it could not be read
	cfgErr error          // why

	client  control.Client
	node    *control.Status // nil when none answers
	nodeErr error           // why

	members []control.Member
	home    *home // what is on the disk, nil when it cannot be read

	netcheck func(context.Context) (control.Netcheck, error)
	net      *control.Netcheck // what it came to; see [patient.connection]
	netErr   error
}

// examine looks at the network that the flags mean. That there is none, or no node, is no error.
func examine(ctx context.Context, g *globals, sys system) (*patient, error) {
	p := &patient{sys: sys, network: g.network, netcheck: g.netcheck}
	var err error
	if p.client, err = g.client(); err == nil {
		var s control.Status
		if s, err = p.client.Status(ctx); err == nil {
			p.node, p.network = &s, s.Network
		}
	}
	switch {
	case err != nil && reportOf(err).Code == control.CodeUsage:
		return nil, err // there are several
	case err != nil:
		p.nodeErr = err
	}
	if err := p.findConfig(g); err != nil {
		return nil, err
	}
	if p.path != "" {
		p.cfg, p.cfgErr = readConfig(nil, p.path)
	}
	if p.cfg != nil {
		p.network = p.cfg.Network.Name
		p.home, _ = openHomeAt(p.path) // a plain network has none, and not everybody may read it
	}
	p.findMembers(ctx)
	return p, nil
}

// findConfig says which file it is: that of the node, else the one that is named, else the only one.
func (p *patient) findConfig(g *globals) error {
	if p.node != nil {
		file := p.node.Config.File
		if _, err := p.sys.stat(file); err == nil || filepath.IsAbs(file) {
			p.path = file
		}
		return nil
	}
	files, err := configFiles(g.network)
	switch {
	case err != nil && reportOf(err).Code == control.CodeNotFound:
		return nil
	case err != nil:
		return err
	case len(files) > 1:
		return &cmdError{
			code: exitUsage, err: fmt.Errorf("there are %d networks: %s", len(files), networksOf(files)),
			hints: []string{"say which: vxmesh doctor NETWORK"},
		}
	}
	p.path = files[0]
	return nil
}

// networksOf are the names of the networks of config files.
func networksOf(files []string) string {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(filepath.Base(f), ".toml")
	}
	return strings.Join(names, ", ")
}

// findMembers lists the members as the node knows them, else as the disk does.
func (p *patient) findMembers(ctx context.Context) {
	if p.node != nil {
		if m, err := p.client.Members(ctx); err == nil {
			p.members = m.Members
		}
		return
	}
	if p.home != nil {
		p.members = membersOf(p.home.member, p.home.id, p.home.roster().Members()).Members
	}
}

// self is this node among the members; nil when it is none.
func (p *patient) self() *control.Member {
	i := slices.IndexFunc(p.members, func(m control.Member) bool { return m.Self })
	if i < 0 {
		return nil
	}
	return &p.members[i]
}

// connection tests how the machine is connected, once.
func (p *patient) connection(ctx context.Context) (*control.Netcheck, error) {
	if p.net == nil && p.netErr == nil {
		n, err := p.netcheck(ctx)
		p.net, p.netErr = &n, err
	}
	return p.net, p.netErr
}

// meshPorts are the UDP ports of the sealed mesh; none when the node has no key yet, or it cannot be
// read.
func (p *patient) meshPorts() (ports []uint16) {
	if p.cfg == nil {
		return nil
	}
	id, err := identity.Load(identityPath(p.cfg))
	if err != nil && len(p.cfg.Listen.Mesh) == 0 {
		return nil
	}
	for _, l := range meshListens(p.cfg, id) {
		if !slices.Contains(ports, l.Port) {
			ports = append(ports, l.Port)
		}
	}
	return ports
}

// plain reports whether a segment has a plain leg.
func (p *patient) plain() bool {
	return p.cfg != nil && slices.ContainsFunc(p.cfg.Segments, func(s config.Segment) bool { return s.VXLAN != nil })
}

// ports are all UDP ports that the node listens on.
func (p *patient) ports() []uint16 {
	out := p.meshPorts()
	if p.plain() {
		for _, l := range p.cfg.Listen.VXLAN {
			if !slices.Contains(out, l.Port) {
				out = append(out, l.Port)
			}
		}
	}
	return out
}

// devices reports whether the node makes interfaces of the system's, which takes rights.
func (p *patient) devices() bool {
	return p.cfg != nil && slices.ContainsFunc(p.cfg.Segments, func(s config.Segment) bool {
		return s.Device.Kind.IsSystems()
	})
}

// keyFiles are the files that nobody but their owner may read, as far as they are there.
func (p *patient) keyFiles() (paths []string) {
	all := []string{identityPath(p.cfg)}
	for _, name := range []string{"network.key", "membership.json", "invitations.json"} {
		all = append(all, filepath.Join(stateDir(p.cfg), name))
	}
	for _, path := range all {
		if _, err := p.sys.stat(path); !errors.Is(err, fs.ErrNotExist) {
			paths = append(paths, path)
		}
	}
	return paths
}
