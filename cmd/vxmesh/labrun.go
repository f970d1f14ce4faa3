package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"golang.org/x/sync/errgroup"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/topology/remote"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A labRun is a lab with its sockets.
type labRun struct {
	dir    string
	world  *topology.World
	server remote.Server
	api    net.Listener            // of the lab itself; it tells whether the lab runs already
	nodes  map[string]net.Listener // of each node
}

// maxSocketPath is the longest path of a Unix socket that every system takes (sockaddr_un), in bytes.
const maxSocketPath = 103

// newLabRun opens what a lab needs. On an error everything is closed again.
func newLabRun(p topology.Plan, o topology.Options, dir, file string) (r *labRun, err error) {
	r = &labRun{dir: dir, nodes: make(map[string]net.Listener)}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.api, err = listenLab(control.LabSocket(dir, p.Name)); err != nil {
		return r, err
	}
	if err = control.ClearLab(dir, p.Name); err != nil {
		return r, fmt.Errorf("clear what another lab has left: %w", err)
	}
	if r.world, err = topology.New(p, o); err != nil {
		return r, err
	}
	r.server = remote.Server{World: r.world, File: file, Socket: r.socket, Log: labLog(o)}
	for _, h := range r.world.Hosts() {
		if r.nodes[h.Name], err = listenLab(r.socket(h.Name)); err != nil {
			delete(r.nodes, h.Name)
			return r, err
		}
	}
	return r, nil
}

func listenLab(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, &cmdError{
			code:  exitUsage,
			err:   fmt.Errorf("the path of a socket is longer than %d bytes: %s", maxSocketPath, path),
			hints: []string{"take a shorter --dir, or shorter names"},
		}
	}
	return control.Listen(path, "")
}

// socket is where a node listens.
func (r *labRun) socket(node string) string {
	return control.LabNodeSocket(r.dir, r.world.Plan().Name, node)
}

// close frees what newLabRun opened, for a lab that is not run.
func (r *labRun) close() {
	for _, l := range r.nodes {
		_ = l.Close()
	}
	if r.world != nil {
		r.world.Close()
	}
	if r.api != nil {
		_ = r.api.Close()
	}
}

// choose gives the node that is looked at: by name, or the first that has a device.
func (r *labRun) choose(name string) (*topology.Host, error) {
	if name != "" {
		return r.world.NeedHost(name)
	}
	hosts := r.world.Hosts()
	for _, h := range hosts {
		if len(h.Addresses()) > 0 {
			return h, nil
		}
	}
	return hosts[0], nil
}

// run runs the lab while do does, until ctx ends or somebody stops it. What is recorded goes to pcap, if
// that has a name.
func (r *labRun) run(ctx context.Context, pcap *lateFile, do func(context.Context) error) error {
	defer func() { _ = control.ClearLab(r.dir, r.world.Plan().Name) }()
	return r.world.RunWhile(ctx, func(ctx context.Context) error {
		ctx, end := context.WithCancel(ctx)
		defer end()
		g, ctx := errgroup.WithContext(ctx)
		r.server.Stop = end
		g.Go(func() error { return r.server.Serve(ctx, r.api) })
		for _, h := range r.world.Hosts() {
			g.Go(func() error { return control.Serve(ctx, r.nodes[h.Name], h.Backend()) })
		}
		if pcap.name != "" {
			g.Go(func() error { return r.world.Record(ctx, pcap) })
		}
		g.Go(func() error {
			defer end()
			return do(ctx)
		})
		return g.Wait()
	})
}

// labLog is the log of what happens to a lab itself.
func labLog(o topology.Options) *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(o.Log)
}
