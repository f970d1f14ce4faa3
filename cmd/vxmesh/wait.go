package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A waited is what `wait --json` prints when all that was waited for is there.
type waited struct {
	Schema        string               `json:"schema"`
	Network       string               `json:"network"`
	For           control.List[string] `json:"for"`
	WaitedSeconds float64              `json:"waited_seconds"`
}

// lookAgain is how long a node that does not run is left alone before it is looked for again.
const lookAgain = 200 * time.Millisecond

func newWaitCmd(g *globals) *cobra.Command {
	var what []string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait [NETWORK]",
		Short: "Wait until the node is up, has its address, or reaches a peer",
		Long: "Waits until all that is named holds, also for the node to be started. What can be named:\n" +
			"up           the node runs and its devices are up\n" +
			"address      its devices have their addresses\n" +
			"peer:NAME    the peer is reached, directly or through a relay\n" +
			"peers:N      so many peers are reached\n" +
			"Ends with exit code 7, and says what is missing, when that takes too long.",
		Example: "  vxmesh wait --for address\n  vxmesh wait home --for peer:nas --timeout 30s && mount /srv/nas\n" +
			"  vxmesh wait --for up --for peers:2",
		Args: orNetwork,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := waiter{g: g, names: what}
			for _, name := range what {
				c, err := conditionOf(name)
				if err != nil {
					return usageError(cmd, "--for %s: %v", name, err)
				}
				w.conditions = append(w.conditions, c)
			}
			if timeout <= 0 {
				return usageError(cmd, "--timeout is more than 0, not %v", timeout)
			}
			began := time.Now()
			if err := w.run(cmd.Context(), timeout); err != nil {
				return err
			}
			r := waited{"vxmesh.wait/1", w.status.Network, w.names, time.Since(began).Seconds()}
			return answer(cmd.OutOrStdout(), g.json, r, func(r waited) string {
				return fmt.Sprintf("%s: %s after %s\n", r.Network, strings.Join(r.For, ", "), shortDuration(r.WaitedSeconds))
			})
		},
	}
	cmd.Flags().StringSliceVar(&what, "for", []string{"up"}, "`WHAT` is up, address, peer:NAME or peers:N; may be given again")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "give up after so long")
	return cmd
}

// A condition says what is missing for it to hold; "" when it holds.
type condition func(control.Status) (missing string)

// conditionOf is the condition of a name.
func conditionOf(name string) (condition, error) {
	kind, arg, _ := strings.Cut(name, ":")
	switch {
	case name == "up":
		return missingUp, nil
	case name == "address":
		return missingAddress, nil
	case kind == "peer" && arg != "":
		return func(s control.Status) string { return missingPeer(s, arg) }, nil
	case kind == "peers":
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 {
			return nil, errors.New("peers:N is a number of peers, 1 or more")
		}
		return func(s control.Status) string { return missingPeers(s, n) }, nil
	}
	if near := suggest.Nearest(kind, []string{"up", "address", "peer:", "peers:"}); near != "" {
		return nil, fmt.Errorf("did you mean %s?", near)
	}
	return nil, errors.New("it is up, address, peer:NAME or peers:N")
}

func missingUp(s control.Status) string {
	if s.State == control.StateStarting {
		return "the node is starting"
	}
	for _, seg := range s.Segments {
		if d := seg.Device; d.Kind != "none" && d.State != "up" {
			return fmt.Sprintf("device %s is %s", d.Name, d.State)
		}
	}
	return ""
}

func missingAddress(s control.Status) string {
	devices := 0
	for _, seg := range s.Segments {
		d := seg.Device
		if d.Kind == "none" {
			continue
		}
		devices++
		if d.State != "up" || len(d.Addresses) == 0 && d.Bridge == "" {
			return fmt.Sprintf("device %s has no address", d.Name)
		}
	}
	if devices == 0 {
		return "the node has no device"
	}
	return missingUp(s)
}

func missingPeer(s control.Status, name string) string {
	var names []string
	for _, p := range s.Peers {
		if p.Name == name {
			if p.Reachable() {
				return ""
			}
			return strings.TrimSuffix(fmt.Sprintf("peer %s is %s: %s", name, p.State, p.Reason), ": ")
		}
		names = append(names, p.Name)
	}
	return control.NoPeer(name, names).Message
}

func missingPeers(s control.Status, want int) string {
	got := 0
	for _, p := range s.Peers {
		if p.Reachable() {
			got++
		}
	}
	if got >= want {
		return ""
	}
	return fmt.Sprintf("%s reached, of %d", plural(got, "peer is", "peers are"), want)
}

// A waiter waits for conditions of a node that may not even run yet.
type waiter struct {
	g          *globals
	names      []string
	conditions []condition

	status  control.Status
	missing []string // of the last look
	err     error    // why there was none
}

func (w *waiter) run(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		met, err := w.watch(ctx)
		if met || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return w.timedOut(ctx, timeout)
		case <-again.C:
		}
	}
}

// watch goes by what the node tells until all holds; it ends before when the node is not there, or
// leaves. The error is one that waiting does not mend.
func (w *waiter) watch(ctx context.Context) (met bool, err error) {
	c, err := w.g.client()
	if err != nil {
		return false, w.lasting(ctx, err)
	}
	for e, err := range c.EventsOf(ctx, control.EventOptions{
		Topics: []control.Topic{control.TopicState}, Rate: lookAgain,
	}) {
		if err != nil {
			return false, w.lasting(ctx, err)
		}
		switch {
		case e.Status != nil:
			w.status = *e.Status
		default: // of an older node, which tells no status of its own accord
			if w.status, err = c.Status(ctx); err != nil {
				return false, w.lasting(ctx, err)
			}
		}
		if w.look(); len(w.missing) == 0 {
			return true, nil
		}
	}
	return false, nil
}

// look sees what is missing.
func (w *waiter) look() {
	w.missing, w.err = nil, nil
	for _, c := range w.conditions {
		if m := c(w.status); m != "" && !slices.Contains(w.missing, m) {
			w.missing = append(w.missing, m)
		}
	}
}

// lasting keeps an error that may pass for the end, and gives one that will not. What goes wrong
// because the time is up says nothing new.
func (w *waiter) lasting(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	switch reportOf(err).Code {
	case control.CodePermission, control.CodeUsage:
		return err
	}
	w.missing, w.err = nil, err
	return nil
}

// knows reports whether the node has a peer of that name.
func (w *waiter) knows(name string) bool {
	return slices.ContainsFunc(w.status.Peers, func(p control.Peer) bool { return p.Name == name })
}

// timedOut says what was missing at the end.
func (w *waiter) timedOut(ctx context.Context, timeout time.Duration) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return control.Errorf(control.CodeFailed, "interrupted")
	}
	e := control.Errorf(control.CodeTimeout, "waited %v in vain: %s", timeout, strings.Join(w.missing, "; "))
	if len(w.missing) == 0 {
		e.Message = fmt.Sprintf("waited %v in vain: no node answers", timeout)
		if w.err != nil && reportOf(w.err).Code == control.CodeNoNode {
			e.Message, e.Fix = fmt.Sprintf("waited %v in vain: %v", timeout, w.err), reportOf(w.err).Fix
		}
		return e
	}
	e.Fix = []string{"vxmesh doctor"}
	for _, name := range w.names {
		if peer, ok := strings.CutPrefix(name, "peer:"); ok && w.knows(peer) {
			e.Fix = append(e.Fix, "vxmesh why "+peer)
		}
	}
	return e
}
