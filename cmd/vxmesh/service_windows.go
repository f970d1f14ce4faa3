package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// windowsServices are those of the service control manager: one for each network.
type windowsServices struct{}

// theServices is the manager of this machine.
func theServices() serviceManager { return windowsServices{} }

func (windowsServices) name() string               { return "Windows" }
func (windowsServices) unit(network string) string { return "vxmesh-" + network }
func (windowsServices) ready() bool                { return false } // nothing was installed that runs any network

// eventSource is who we are in the event log.
const eventSource = "vxmesh"

// eventID is that of every event: the text says it all.
const eventID = 1

// configsAcl lets administrators change the configs of the machine's networks, and everybody read them.
const configsAcl = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;GRGX;;;BU)"

func (w windowsServices) install(_ context.Context, network string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := protect(configDir()); err != nil {
		return nil, fmt.Errorf("protect %s: %w", configDir(), err)
	}
	m, err := mgr.Connect()
	if err != nil {
		return nil, serviceError(w.unit(network), err)
	}
	defer func() { _ = m.Disconnect() }()
	s, err := m.CreateService(w.unit(network), self, mgr.Config{
		DisplayName: "vxmesh network " + network,
		Description: "Stretches Ethernet segments between machines over VXLAN.",
		StartType:   mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal,
		Dependencies: []string{"Tcpip", "Dnscache"},
	}, "join", filepath.Join(configDir(), network+".toml"))
	if errors.Is(err, windows.ERROR_SERVICE_EXISTS) {
		return nil, w.start(context.Background(), network)
	}
	if err != nil {
		return nil, serviceError(w.unit(network), err)
	}
	defer func() { _ = s.Close() }()
	_ = eventlog.InstallAsEventCreate(eventSource, eventlog.Error|eventlog.Warning|eventlog.Info) // it may be there
	err = errors.Join(s.SetRecoveryActions(recovery(), uint32((10*time.Minute).Seconds())),
		s.SetRecoveryActionsOnNonCrashFailures(true), s.Start())
	return nil, serviceError(w.unit(network), err)
}

// recovery is how soon a service that failed is started again: later and later.
func recovery() (actions []mgr.RecoveryAction) {
	for _, delay := range []time.Duration{1, 2, 4, 8, 16, 32, 60} {
		actions = append(actions, mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: delay * time.Second})
	}
	return actions
}

// protect makes a directory that only administrators can change.
func protect(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	d, err := windows.SecurityDescriptorFromString(configsAcl)
	if err != nil {
		return err
	}
	owner, _, err := d.Owner()
	if err != nil {
		return err
	}
	acl, _, err := d.DACL()
	if err != nil {
		return err
	}
	what := windows.SECURITY_INFORMATION(windows.OWNER_SECURITY_INFORMATION |
		windows.DACL_SECURITY_INFORMATION | windows.PROTECTED_DACL_SECURITY_INFORMATION)
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, what, owner, nil, acl, nil)
}

func (w windowsServices) uninstall(ctx context.Context, network string) ([]string, error) {
	return nil, w.with(network, func(s *mgr.Service) error {
		if err := stopAndWait(ctx, s); err != nil {
			return err
		}
		return s.Delete()
	})
}

func (w windowsServices) start(_ context.Context, network string) error {
	return w.with(network, func(s *mgr.Service) error {
		if err := s.Start(); !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
			return err
		}
		return nil
	})
}

func (w windowsServices) stop(ctx context.Context, network string) error {
	return w.with(network, func(s *mgr.Service) error { return stopAndWait(ctx, s) })
}

// stopPatience is how long a service may take to stop.
const stopPatience = 10 * time.Second

func stopAndWait(ctx context.Context, s *mgr.Service) error {
	if _, err := s.Control(svc.Stop); errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return nil
	} else if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		status, err := s.Query()
		if err != nil || status.State == svc.Stopped {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("it does not stop")
		case <-poll.C:
		}
	}
}

func (w windowsServices) status(_ context.Context, network string) (installed, running bool, err error) {
	// Anybody may look, but only administrators may connect for more.
	m, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return false, false, serviceError(w.unit(network), err)
	}
	defer func() { _ = windows.CloseServiceHandle(m) }()
	name, err := windows.UTF16PtrFromString(w.unit(network))
	if err != nil {
		return false, false, err
	}
	handle, err := windows.OpenService(m, name, windows.SERVICE_QUERY_STATUS)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return false, false, nil
	}
	if err != nil {
		return false, false, serviceError(w.unit(network), err)
	}
	s := &mgr.Service{Name: w.unit(network), Handle: handle}
	defer func() { _ = s.Close() }()
	status, err := s.Query()
	return true, status.State == svc.Running, err
}

// with does something with a network's service.
func (w windowsServices) with(network string, do func(*mgr.Service) error) error {
	m, err := mgr.Connect()
	if err != nil {
		return serviceError(w.unit(network), err)
	}
	defer func() { _ = m.Disconnect() }()
	s, err := m.OpenService(w.unit(network))
	if err != nil {
		return serviceError(w.unit(network), err)
	}
	defer func() { _ = s.Close() }()
	return serviceError(w.unit(network), do(s))
}

// serviceError gives an error of the manager the code and the advice that belong to it.
func serviceError(unit string, err error) error {
	if err == nil {
		return nil
	}
	e := &cmdError{code: exitFailed, err: fmt.Errorf("service %s: %w", unit, err), hints: []string{
		"see why             Get-EventLog Application -Source vxmesh -Newest 5",
		"find what is wrong  vxmesh doctor",
	}}
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		e.code, e.hints = exitPermission, []string{"run it in a terminal of an administrator"}
	case errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST):
		e.code, e.hints = exitNotFound, []string{"install it first: vxmesh service install NETWORK"}
	}
	return e
}

// underManager runs a network, and speaks with the service manager where that has started us.
func underManager(ctx context.Context, run func(ctx context.Context, up func(reload func())) error) error {
	is, err := svc.IsWindowsService()
	if err != nil || !is {
		return run(ctx, func(func()) {})
	}
	h := &windowsHandler{ctx: ctx, run: run}
	if err := svc.Run("", h); err != nil { // the name does not matter to a service that has its process alone
		return err
	}
	return h.err
}

// A windowsHandler is what the service manager talks to.
type windowsHandler struct {
	ctx context.Context
	run func(ctx context.Context, up func(reload func())) error
	err error
}

// windowsPhases are the phases as Windows has them.
var windowsPhases = map[hostedPhase]svc.Status{
	hostedStarting: {State: svc.StartPending, WaitHint: 30000},
	hostedRunning:  {State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown | svc.AcceptParamChange},
	hostedStopping: {State: svc.StopPending, WaitHint: 10000},
}

// Execute implements [svc.Handler]. The exit code is that of the command.
func (h *windowsHandler) Execute(
	_ []string, asked <-chan svc.ChangeRequest, tell chan<- svc.Status,
) (ours bool, code uint32) {
	requests, done := make(chan hostedRequest), make(chan struct{})
	defer close(done)
	go translate(asked, requests, done)
	hosted := hosted{run: h.run, tell: func(p hostedPhase) { tell <- windowsPhases[p] }}
	if h.err = hosted.serve(h.ctx, requests); h.err == nil {
		return false, 0
	}
	report := reportOf(h.err)
	if l, err := eventlog.Open(eventSource); err == nil {
		_ = l.Error(eventID, errorText(h.err, report))
		_ = l.Close()
	}
	return true, uint32(report.Code.Exit())
}

// translate says in our words what Windows asks.
func translate(asked <-chan svc.ChangeRequest, requests chan<- hostedRequest, done <-chan struct{}) {
	for {
		var r svc.ChangeRequest
		select {
		case r = <-asked:
		case <-done:
			return
		}
		request := hostedState
		switch r.Cmd {
		case svc.Stop, svc.Shutdown:
			request = hostedStop
		case svc.ParamChange:
			request = hostedReload
		}
		select {
		case requests <- request:
		case <-done:
			return
		}
	}
}
