package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A fakeManager is one side of [hosted]: what it asks and what it is told.
type fakeManager struct {
	asks   chan hostedRequest
	told   []hostedPhase
	up     func(reload func())
	fail   chan error
	result chan error
}

// startHosted has a network be run that comes up and ends as the test says.
func startHosted(ctx context.Context) *fakeManager {
	m := &fakeManager{asks: make(chan hostedRequest), fail: make(chan error), result: make(chan error, 1)}
	h := hosted{
		run: func(ctx context.Context, up func(reload func())) error {
			m.up = up
			select {
			case <-ctx.Done():
				return nil
			case err := <-m.fail:
				return err
			}
		},
		tell: func(p hostedPhase) { m.told = append(m.told, p) },
	}
	go func() { m.result <- h.serve(ctx, m.asks) }()
	synctest.Wait()
	return m
}

func (m *fakeManager) ask(r hostedRequest) {
	m.asks <- r
	synctest.Wait()
}

func (m *fakeManager) want(t *testing.T, phases ...hostedPhase) {
	t.Helper()
	if len(m.told) != len(phases) {
		t.Fatalf("told %v, want %v", m.told, phases)
	}
	for i := range phases {
		if m.told[i] != phases[i] {
			t.Fatalf("told %v, want %v", m.told, phases)
		}
	}
}

func TestHosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, reloads := startHosted(t.Context()), 0
		m.want(t, hostedStarting)
		m.ask(hostedReload) // too early: it reads the file anyway
		m.ask(hostedState)
		m.up(func() { reloads++ })
		synctest.Wait()
		m.want(t, hostedStarting, hostedStarting, hostedStarting, hostedRunning)
		m.ask(hostedReload)
		if reloads != 1 {
			t.Errorf("%d reloads", reloads)
		}
		m.told = nil
		m.ask(hostedStop)
		m.want(t, hostedStopping)
		if err := <-m.result; err != nil {
			t.Error(err)
		}
	})
}

// A stop that comes before the network is up is not taken back by that.
func TestHostedStopsWhileItStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told, done := make(chan hostedPhase, 8), make(chan error, 1)
		asks, slow := make(chan hostedRequest), make(chan struct{})
		h := hosted{tell: func(p hostedPhase) { told <- p }, run: func(_ context.Context, up func(func())) error {
			<-slow
			up(func() {})
			<-slow
			return nil
		}}
		go func() { done <- h.serve(t.Context(), asks) }()
		asks <- hostedStop
		slow <- struct{}{}
		synctest.Wait()
		asks <- hostedState
		close(slow)
		err := <-done
		close(told)
		for _, want := range []hostedPhase{hostedStarting, hostedStopping, hostedStopping} {
			if got := <-told; got != want || err != nil {
				t.Errorf("told %v, want %v; %v", got, want, err)
			}
		}
		if p, more := <-told; more {
			t.Errorf("told %v", p)
		}
	})
}

func TestHostedFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startHosted(t.Context())
		failure := errors.New("it broke")
		m.fail <- failure
		if err := <-m.result; !errors.Is(err, failure) {
			t.Errorf("%v", err)
		}
	})
}
