package main

import "context"

// A hostedRequest is what the service manager of Windows asks of a process that it runs.
type hostedRequest int

const (
	hostedState  hostedRequest = iota // in which phase it is
	hostedStop                        // also when the machine goes down
	hostedReload                      // its parameters have changed
)

// A hostedPhase is how far such a process is.
type hostedPhase int

const (
	hostedStarting hostedPhase = iota
	hostedRunning
	hostedStopping
)

// A hosted network is run under such a manager: it has to say in which phase it is, and answers as long as
// it lives, whatever the network does.
type hosted struct {
	// run carries until ctx ends. It calls up once when the network is up, with what reads its file anew.
	run func(ctx context.Context, up func(reload func())) error
	// tell tells the manager.
	tell func(hostedPhase)
}

// serve runs the network until it ends or is to.
func (h *hosted) serve(ctx context.Context, requests <-chan hostedRequest) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	phase, reload := hostedStarting, func() {}
	h.tell(phase)
	up, ended := make(chan func(), 1), make(chan error, 1)
	go func() { ended <- h.run(ctx, func(reload func()) { up <- reload }) }()
	for {
		select {
		case err := <-ended:
			return err
		case reload = <-up:
			if phase == hostedStarting {
				phase = hostedRunning
				h.tell(phase)
			}
		case r := <-requests:
			switch r {
			case hostedStop:
				phase = hostedStopping
				stop()
			case hostedReload:
				reload()
			}
			h.tell(phase)
		}
	}
}
