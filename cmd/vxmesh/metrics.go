package main

import (
	"context"
	"net"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A metricsServer lets Prometheus ask over TCP. A nil one lets nobody.
type metricsServer struct {
	listener net.Listener
	cancel   context.CancelFunc // nil until it serves
	done     chan struct{}
}

// listenMetrics takes the address, so that a reload that cannot have it changes nothing; "" is
// nowhere.
func listenMetrics(at config.HostPort) (*metricsServer, error) {
	if at == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", string(at))
	if err != nil {
		return nil, metricsError(string(at), err)
	}
	return &metricsServer{listener: l, done: make(chan struct{})}, nil
}

// serve answers until stop.
func (m *metricsServer) serve(b control.Backend) {
	if m == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	go func() {
		defer close(m.done)
		// It ends by stop alone; if the listener broke, scrapes show it.
		_ = control.ServeMetrics(ctx, m.listener, b)
	}()
}

// stop ends serving and gives the address back.
func (m *metricsServer) stop() {
	if m == nil {
		return
	}
	if m.cancel == nil {
		m.listener.Close()
		return
	}
	m.cancel()
	<-m.done
}
