package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/internal/crash"
	"github.com/vxmesh/vxmesh/proxy"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A daemon is a running network: the engine, its control socket, and the file it came from.
type daemon struct {
	path    string
	network string    // its name
	began   time.Time // to run
	socket  string    // given on the command line; it wins over the file's
	log     *slog.Logger
	level   *slog.LevelVar
	logs    *control.LogBuffer
	stderr  *logQueue
	hub     *control.Hub
	node    *tunnel.Node
	id      *nodeIdentity
	crash   *crash.Reporter
	proxies *proxy.Proxies
	api     net.Listener
	hup     chan os.Signal      // SIGHUP asks for a reload
	left    chan struct{}       // this node has left the network
	up      func(reload func()) // tells who runs us that the network is up, and how it is reloaded

	admin    sync.Mutex // held while a client changes who is a member
	mu       sync.Mutex // guards what a reload changes
	metrics  *metricsServer
	cfg      *config.Config
	loadedAt time.Time
	failure  string // of the last reload; "" when it was taken
	fix      string // what to do about it
}

// newDaemon opens everything the config asks for. On an error everything is closed again.
func newDaemon(path, socket string, cfg *config.Config) (d *daemon, err error) {
	d = &daemon{
		path: path, socket: socket, cfg: cfg, hub: new(control.Hub), loadedAt: time.Now(), began: time.Now(),
		network: cfg.Network.Name,
		level:   new(slog.LevelVar), hup: make(chan os.Signal, 1), left: make(chan struct{}, 1),
		up: func(func()) {},
	}
	signal.Notify(d.hup, syscall.SIGHUP) // from the very start: untold, it ends the process
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	d.level.Set(logLevel(cfg.Log.Level))
	d.logs = control.NewLogBuffer(d.level)
	var lines slog.Handler
	lines, d.stderr = newQueuedLog(os.Stderr, cfg.Log.Format, d.level)
	d.log = slog.New(slog.NewMultiHandler(lines, d.logs))
	if err := takeLongSlices(); err != nil {
		d.log.Debug("it runs with time slices as others have them", "err", err)
	}
	// The socket comes first: it tells whether this network runs already.
	if d.api, err = control.Listen(d.socketPath(), cfg.Control.Group); err != nil {
		return d, err
	}
	if d.id, err = claimIdentity(cfg); err != nil {
		return d, err
	}
	d.watchForCrashes()
	if d.metrics, err = listenMetrics(cfg.Metrics.Listen); err != nil {
		return d, err
	}
	d.logRenewal()
	o := d.engineOptions()
	if d.node, err = tunnel.New(o); err != nil {
		return d, meshPortError(o.Mesh.Listen, err)
	}
	d.proxies = proxy.New(proxy.Options{Stack: d.stackOf, Lookup: d.memberAddrs, Log: d.log})
	change, err := d.prepareProxies(cfg)
	if err != nil {
		return d, err
	}
	change.Commit()
	return d, nil
}

// engineOptions are what the engine is started with.
func (d *daemon) engineOptions() tunnel.Options {
	o := engineOptions(d.cfg, d.id)
	o.Log, o.Events, o.Alive, o.Guard = d.log, d.hub, watchdog(), d.crash.Guard
	if o.Mesh.Membership != nil {
		o.Mesh.Membership.Revoked = d.revoked
	}
	return o
}

// close frees what newDaemon opened, for a daemon that is not run.
func (d *daemon) close() {
	if d.api != nil {
		d.api.Close()
	}
	d.metrics.stop()
	if d.node != nil {
		d.proxies.Close()
		d.node.Close()
	}
	d.crash.Close()
	d.id.release()
	d.stderr.close()
}

// socketPath is where the control socket is.
func (d *daemon) socketPath() string {
	switch {
	case d.socket != "":
		return d.socket
	case d.cfg.Control.Socket != "auto":
		return d.cfg.Control.Socket
	}
	return control.SocketPath(d.cfg.Network.Name)
}

// run carries traffic and answers clients until ctx ends, or this node has left the network.
func (d *daemon) run(ctx context.Context) error {
	defer d.stderr.close()
	defer d.id.release()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	backend := d.backend()
	start := func(run func(context.Context) error) {
		g.Go(func() error {
			defer d.crash.Guard()
			return run(ctx)
		})
	}
	start(d.node.Run)
	start(d.proxies.Run)
	start(func(ctx context.Context) error { return control.Serve(ctx, d.api, backend) })
	start(d.reloadOnSignal)
	start(func(ctx context.Context) error { return d.endOnLeave(ctx, stop) })
	d.mu.Lock()
	d.metrics.serve(backend)
	d.mu.Unlock()
	d.log.Info("up", "network", d.cfg.Network.Name, "control", d.socketPath())
	notifySystemd("READY=1")
	d.up(func() {
		select {
		case d.hup <- syscall.SIGHUP:
		default: // one is due already
		}
	})
	err := g.Wait()
	notifySystemd("STOPPING=1")
	d.mu.Lock()
	d.metrics.stop()
	d.mu.Unlock()
	d.log.Info("down", "network", d.cfg.Network.Name)
	d.crash.Close() // not deferred: a panic is no end in order
	return err
}

// reloadOnSignal reads the file again on each SIGHUP.
func (d *daemon) reloadOnSignal(ctx context.Context) error {
	defer signal.Stop(d.hup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.hup:
			_, _ = d.reload(ctx) // it logs what it did or why not
		}
	}
}

// backend is the daemon as clients see it.
func (d *daemon) backend() control.Backend {
	return control.Backend{
		Status:   d.status,
		Peers:    d.node.Peers,
		Ping:     d.node.Ping,
		Why:      d.node.Why,
		Netcheck: d.node.Netcheck, PingPaths: d.node.PingPaths,
		PingOverlay: d.pingOverlay, DialOverlay: d.dialOverlay,
		Members: d.members, Publish: d.publish,
		PausePeer: d.node.PausePeer, ResumePeer: d.node.ResumePeer, ReconnectPeer: d.node.ReconnectPeer,
		Invitations: d.invitations, Invite: d.invite, RevokeInvitation: d.revokeInvitation,
		RemoveMember: d.removeMember, RenameMember: d.renameMember,
		FDB:    d.node.FDB,
		Stats:  d.stats,
		AddFDB: d.node.AddFDB, DelFDB: d.node.DelFDB, FlushFDB: d.node.FlushFDB,
		Guest:   d.guest,
		Reload:  d.reload,
		Capture: d.node.Capture,
		Stacks:  crash.Stacks, Packets: d.packets, Panicked: d.panicked,
		Events: d.hub,
		Log:    d.logs,
	}
}

// status adds to the engine's what the daemon knows of itself.
func (d *daemon) status() control.Status {
	st := d.node.Status()
	d.mu.Lock()
	defer d.mu.Unlock()
	st.Warnings = append(st.Warnings, d.rightsWarnings()...)
	st.Warnings = append(st.Warnings, d.crashWarnings()...)
	for _, w := range d.cfg.Warnings() {
		st.Warnings = append(st.Warnings, control.Warning{Code: "open_to_others", Message: w.Message, Fix: w.Fix})
	}
	st.Version = thisVersion().Version
	st.Config = control.ConfigStatus{
		File: d.path, LoadedAt: d.loadedAt, ReloadSuccessful: d.failure == "", ReloadError: d.failure,
	}
	if d.failure != "" {
		st.State = control.StateDegraded
		st.Warnings = append(st.Warnings, control.Warning{
			Code: "reload_failed", Message: "the last reload was refused: " + d.failure,
			Fix: d.fix,
		})
	}
	return st
}

// reload makes the file's new state what runs, whole or not at all.
func (d *daemon) reload(context.Context) (control.ReloadResult, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	notifySystemd(reloading())
	defer notifySystemd("READY=1")
	result, err := d.takeFile()
	e := control.Event{Time: time.Now(), Type: control.EventReload}
	if err != nil {
		d.failure, d.fix = err.Error(), d.fixOf(err)
		e.Reason = d.failure
		d.logRefusal(err)
	} else {
		d.failure, d.fix, d.loadedAt = "", "", time.Now()
		e.Reload = &result
		d.log.Info("reloaded", "file", d.path, "changes", len(result.Changes))
	}
	d.hub.Publish(e)
	return result, err
}

// logRefusal logs why a reload was refused; a line of a problem's excerpt is a record of its own.
func (d *daemon) logRefusal(err error) {
	d.log.Error("reload refused, nothing changed", "file", d.path, "err", err)
	for _, problem := range control.AsError(err).Details {
		for line := range strings.SplitSeq(problem, "\n") {
			d.log.Error(line)
		}
	}
}

// fixOf is what to do about a refused reload, wherever the reader happens to be.
func (d *daemon) fixOf(err error) string {
	if control.AsError(err).Code == control.CodeConfig {
		path, absErr := filepath.Abs(d.path)
		if absErr != nil {
			path = d.path
		}
		return "vxmesh config check " + path
	}
	if hints := reportOf(joinError(err)).Fix; len(hints) > 0 {
		what, how, inColumns := strings.Cut(hints[0], "  ")
		if inColumns {
			what += ": " + strings.TrimSpace(how)
		}
		return what
	}
	return "when that is mended: vxmesh reload"
}

// takeFile reads the file and applies what changed. The caller holds mu.
func (d *daemon) takeFile() (control.ReloadResult, error) {
	result := control.ReloadResult{Network: d.cfg.Network.Name}
	cfg, err := config.Load(d.path)
	if err != nil {
		return result, configProblem(err)
	}
	applied := keepRestartKeys(d.cfg, cfg)
	if err := d.id.check(applied); err != nil {
		return result, err
	}
	if result.Changes, err = d.id.reload(); err != nil {
		return result, err
	}
	d.logRenewal()
	for _, c := range config.Diff(d.cfg, cfg) {
		class := control.ChangeApplied
		if c.Class == config.Restart {
			class = control.ChangeNeedsRestart
		}
		result.Changes = append(result.Changes,
			control.Change{Key: c.Key, Old: c.Old, New: c.New, Class: class})
	}
	metrics := d.metrics
	if applied.Metrics.Listen != d.cfg.Metrics.Listen {
		if metrics, err = listenMetrics(applied.Metrics.Listen); err != nil {
			return result, err
		}
	}
	if err := d.apply(applied); err != nil {
		if metrics != d.metrics {
			metrics.stop()
		}
		return result, err
	}
	if metrics != d.metrics {
		d.metrics.stop()
		d.metrics = metrics
		d.metrics.serve(d.backend())
	}
	d.level.Set(logLevel(applied.Log.Level))
	d.cfg = applied
	return result, nil
}

// apply makes the engine, and what its devices offer, what a config says; on an error all is as it was.
func (d *daemon) apply(cfg *config.Config) error {
	change, err := d.prepareProxies(cfg)
	if err != nil {
		return err
	}
	o := engineOptions(cfg, d.id)
	if err := d.node.Apply(o); err != nil {
		change.Abort()
		d.reviveProxies()
		return meshPortError(o.Mesh.Listen, err)
	}
	change.Commit()
	return nil
}

// configProblem makes the errors of a file what a client shows line by line.
func configProblem(err error) error {
	e := control.Errorf(control.CodeConfig, "the config is not valid, nothing changed")
	var list config.Errors
	if errors.As(err, &list) {
		for _, p := range list {
			e.Details = append(e.Details, p.String())
		}
		return e
	}
	e.Details = []string{err.Error()}
	return e
}
