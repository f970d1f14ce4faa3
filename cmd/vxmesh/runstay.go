package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/internal/guest"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// rejoinEvery is how often a node that has left is looked for.
const rejoinEvery = time.Second

// A stay is a program in a segment, from when it begins until it ends.
type stay struct {
	client  control.Client
	request control.GuestRequest
	process *guest.Process
	stderr  io.Writer

	conn *control.GuestConn // of the goroutine of keep, once the program runs
}

// begin plugs the program's interface in and begins the program.
func (s *stay) begin(ctx context.Context) (err error) {
	if s.conn, err = s.client.Guest(ctx, s.request, s.process.TAP()); err != nil {
		return err
	}
	w := s.conn.Welcome
	at := guest.Place{MTU: w.MTU}
	for _, c := range w.Candidates {
		at.Candidates = append(at.Candidates, []netip.Prefix(c))
	}
	taken, err := s.process.Begin(at)
	if err == nil {
		err = s.conn.Settle(taken)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = s.conn.Close()
		return err
	}
	// Where the node comes back, the program stays what it is.
	s.request.Name, s.request.VNI, s.request.Auto, s.request.Addresses = w.Name, w.VNI, false, taken
	return nil
}

// last returns when the program has ended, with its exit code.
func (s *stay) last() (code int, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		s.keep(ctx)
	}()
	code, err = s.process.Wait()
	cancel()
	<-kept
	s.process.Close()
	return code, err
}

// keep has the program in the segment until ctx ends: when the node is gone its interface is without a
// cable, until the node is back.
func (s *stay) keep(ctx context.Context) {
	for ctx.Err() == nil {
		stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
		why := s.conn.Wait()
		if !stop() {
			return
		}
		_ = s.conn.Close()
		_ = s.process.SetCarrier(false) // an old kernel cannot: then nothing answers
		fmt.Fprintf(s.stderr, "vxmesh: %v; %s has no network until it is back\n", why, s.request.Program)
		if !s.rejoin(ctx) {
			return
		}
		_ = s.process.SetCarrier(true)
		fmt.Fprintf(s.stderr, "vxmesh: %s has its network again\n", s.request.Program)
	}
}

// rejoin tries to plug the interface in again until that succeeds or ctx ends.
func (s *stay) rejoin(ctx context.Context) bool {
	again := time.NewTicker(rejoinEvery)
	defer again.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return false
		case <-again.C:
		}
		conn, err := s.client.Guest(ctx, s.request, s.process.TAP())
		if err == nil {
			s.conn = conn
			return s.conn.Settle(s.request.Addresses) == nil || ctx.Err() == nil
		}
		e := control.AsError(err)
		if e.Code != control.CodeNoNode && ctx.Err() == nil && e.Message != said {
			said = e.Message
			fmt.Fprintf(s.stderr, "vxmesh: %s\n", said)
		}
	}
}
