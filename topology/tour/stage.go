package tour

import (
	"context"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// Options say what to show. The zero value of a field is its default.
type Options struct {
	Seed  uint64
	Count int           // pings; 0 is 8 for [Tell], and no end for [Show]
	Every time.Duration // from one ping to the next; 0 is a second
	Hold  time.Duration // how long nothing passes directly, so that the relay can be watched; 0 is 3 s
	All   bool          // explain every packet, not only those that show something new
	World topology.Options
	// Kernel is an endpoint of plain VXLAN that has the second host; nil has it in user space.
	Kernel *topology.Plain
	Pcap   io.Writer // what passes, as pcapng; nil for nowhere
}

// Without a hold the nodes would have found the direct way before anybody had looked.
const (
	usualHold  = 3 * time.Second
	usualEvery = time.Second
	usualCount = 8
)

func (o *Options) complete() {
	if o.Every == 0 {
		o.Every = usualEvery
	}
	if o.Hold == 0 {
		o.Hold = usualHold
	}
}

// Show runs the demo while a person looks at the first host through a client of its control API.
func Show(ctx context.Context, o Options, look func(context.Context, control.Client) error) error {
	o.complete()
	w, err := topology.New(Plan(o.Seed, o.Kernel), o.World)
	if err != nil {
		return err
	}
	h, pipe := w.Host(Host1), control.NewPipe()
	pinger := pinger(w, o)
	pinger.After = func(r *Pinged) { r.log(h) }
	return o.run(ctx, w, func(ctx context.Context) error {
		ctx, end := context.WithCancel(ctx)
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return control.Serve(ctx, pipe, h.Backend()) })
		g.Go(func() error { pinger.Run(ctx); return nil })
		g.Go(func() error {
			defer end()
			return look(ctx, control.Client{Dial: pipe.Dial})
		})
		return g.Wait()
	})
}

// run runs the world and all that belongs to the demo while do does the rest.
func (o *Options) run(ctx context.Context, w *topology.World, do func(context.Context) error) error {
	return w.RunWhile(ctx, func(ctx context.Context) error {
		ctx, end := context.WithCancel(ctx)
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { release(ctx, w, o.Hold); return nil })
		if o.Pcap != nil {
			g.Go(func() error { return w.Record(ctx, o.Pcap) })
		}
		g.Go(func() error {
			defer end()
			return do(ctx)
		})
		return g.Wait()
	})
}

// release lets the two homes reach each other after a time.
func release(ctx context.Context, w *topology.World, after time.Duration) {
	t := time.NewTimer(after)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
		w.Host(Host1).Log().Info("the way between the two homes carries datagrams from now on")
		w.SetLink(Host1, Host2, simnet.Conditions{})
	}
}
