package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// minInterval keeps ping from being a flood.
const minInterval = 10 * time.Millisecond

// A pinger sends sealed echoes to one peer, or ICMP echoes into a segment, and sums up what came back.
type pinger struct {
	client   control.Client
	request  control.PingRequest
	overlay  bool
	vni      uint32 // with overlay; 0 = the segment that the address is in
	count    int    // 0 = until interrupted
	interval time.Duration

	sum pingSummary
}

// A pingSummary is what `ping --json` prints.
type pingSummary struct {
	Schema        string  `json:"schema"`
	Peer          string  `json:"peer"`   // with --overlay what was named
	Remote        string  `json:"remote"` // of the last answer, "" without one
	Sent          int     `json:"sent"`
	Received      int     `json:"received"`
	LossRatio     float64 `json:"loss_ratio"`
	RTTMinSeconds float64 `json:"rtt_min_seconds"` // 0 without an answer, as the next two
	RTTAvgSeconds float64 `json:"rtt_avg_seconds"`
	RTTMaxSeconds float64 `json:"rtt_max_seconds"`
	MTU           int     `json:"mtu"` // of the path; 0 when not known
}

func newPingCmd(g *globals) *cobra.Command {
	var p pinger
	var timeout time.Duration
	var paths, mtu bool
	cmd := &cobra.Command{
		Use:   "ping PEER|--overlay HOST",
		Short: "Send sealed echoes to a peer, or ICMP echoes into a segment",
		Long: "Sends sealed echoes to a peer, over the path that its traffic takes, until it is\n" +
			"interrupted. Ends with exit code 7 when none came back. No host needs an address in the\n" +
			"segment for it. With --paths it sends three by every way there is to the peer, and ends;\n" +
			"with --mtu it finds the largest packet that the path carries now.\n" +
			"With --overlay it sends ICMP echoes to a host of the segment, an address or the name of a\n" +
			"member, from a device of kind \"userspace\". Other devices are pinged from by ping itself.",
		Example: "  vxmesh ping nas\n  vxmesh ping nas -c 3 -i 200ms\n  vxmesh ping nas -c 1 -s 1500\n" +
			"  vxmesh ping nas --paths\n  vxmesh ping nas --mtu\n  vxmesh ping --overlay 10.42.0.5",
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.request.Peer, p.request.TimeoutSeconds = args[0], timeout.Seconds()
			if err := p.check(cmd, paths, mtu, timeout); err != nil {
				return err
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			p.client = c
			switch {
			case paths:
				return p.paths(cmd, g)
			case mtu:
				return p.mtu(cmd, g)
			}
			return p.run(cmd.Context(), cmd.OutOrStdout(), g.json)
		},
	}
	flags := cmd.Flags()
	p.flags(flags, &timeout)
	flags.IntVarP(&p.request.Size, "size", "s", 0, "bytes of the outer IP packet; with --overlay those behind the ICMP header")
	flags.BoolVar(&paths, "paths", false, "try every way to the peer")
	flags.BoolVar(&mtu, "mtu", false, "find what the path carries")
	flags.BoolVar(&p.overlay, "overlay", false, "ping a host of the segment")
	flags.Uint32Var(&p.vni, "vni", 0, "with --overlay: the segment, where there are several")
	return cmd
}

// flags are those that every ping has.
func (p *pinger) flags(flags *pflag.FlagSet, timeout *time.Duration) {
	flags.IntVarP(&p.count, "count", "c", 0, "stop after so many")
	flags.DurationVarP(&p.interval, "interval", "i", time.Second, "from one to the next")
	flags.DurationVarP(timeout, "timeout", "W", time.Second, "wait so long for each")
}

// check refuses what does not go together, or makes no sense.
func (p *pinger) check(cmd *cobra.Command, paths, mtu bool, timeout time.Duration) error {
	counted := cmd.Flags().Changed("count")
	switch {
	case p.overlay && (paths || mtu):
		return usageError(cmd, "--overlay goes with neither --paths nor --mtu")
	case cmd.Flags().Changed("vni") && !p.overlay:
		return usageError(cmd, "--vni goes with --overlay alone: a peer is one in all segments")
	case mtu && (paths || p.request.Size != 0):
		return usageError(cmd, "--mtu goes with neither --paths nor --size")
	case (paths || mtu) && (counted || cmd.Flags().Changed("interval")):
		return usageError(cmd, "--paths and --mtu go with neither --count nor --interval")
	case p.count < 1 && counted:
		return usageError(cmd, "--count is at least 1, not %d", p.count)
	case p.interval < minInterval:
		return usageError(cmd, "--interval is at least %v, not %v", minInterval, p.interval)
	case timeout <= 0 || timeout > control.MaxPingTimeout:
		return usageError(cmd, "--timeout is more than 0 and at most %v, not %v", control.MaxPingTimeout, timeout)
	}
	if err := p.request.Check(); err != nil {
		return usageError(cmd, "%w", err)
	}
	return nil
}

// paths tries every way.
func (p *pinger) paths(cmd *cobra.Command, g *globals) error {
	ctx := cmd.Context()
	show := newProgress(cmd, g, false)
	defer show.close()
	var r control.PingPaths
	err := show.try("trying every way to "+p.request.Peer, "ways to "+p.request.Peer, func() (err error) {
		r, err = p.client.PingPaths(ctx, p.request)
		return err
	})
	show.close()
	if err != nil {
		return err
	}
	if err := answer(cmd.OutOrStdout(), g.json, r, pathsText); err != nil {
		return err
	}
	if !slices.ContainsFunc(r.Paths, func(p control.PingPath) bool { return p.Answered }) {
		return &cmdError{code: exitTimeout}
	}
	return nil
}

func pathsText(r control.PingPaths) string {
	var t table
	t.add("WAY", "KNOWN", "RTT", "USE")
	for _, p := range r.Paths {
		rtt, use := "no answer", ""
		switch {
		case p.Answered:
			rtt = milliseconds(p.RTTSeconds)
		case p.Reason != "":
			rtt = p.Reason
		}
		if p.InUse {
			use = "in use"
		}
		t.add(p.Address, p.Kind, rtt, use)
	}
	return t.String()
}

// run sends until the count is reached or ctx ends. Only what a further echo cannot mend is an
// error before that.
func (p *pinger) run(ctx context.Context, w io.Writer, asJSON bool) error {
	p.sum = pingSummary{Schema: "vxmesh.ping_summary/1", Peer: p.request.Peer}
	tick := time.NewTicker(p.interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		line, err := p.echo(ctx)
		if err == nil && line != "" && !asJSON {
			_, err = fmt.Fprintln(w, line)
		}
		if err != nil {
			return err
		}
		if p.count > 0 && p.sum.Sent >= p.count {
			break
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	if err := answer(w, asJSON, p.sum, p.text); err != nil {
		return err
	}
	switch {
	case p.sum.Sent == 0: // it was interrupted before that
		return &cmdError{code: exitFailed}
	case p.sum.Received == 0:
		return &cmdError{code: exitTimeout}
	}
	return nil
}

// echo sends one and says what came of it. One that was interrupted does not count.
func (p *pinger) echo(ctx context.Context) (line string, err error) {
	reply, err := p.send(ctx)
	if err != nil && ctx.Err() != nil {
		return "", nil
	}
	p.sum.Sent++
	switch {
	case err == nil:
		p.sum.add(reply)
		line = fmt.Sprintf("%s (%s): echo %d, %s",
			reply.Peer, reply.Remote, p.sum.Sent, milliseconds(reply.RTTSeconds))
	case isLost(err):
		line = fmt.Sprintf("echo %d: %v", p.sum.Sent, err)
	default:
		return "", err
	}
	p.sum.LossRatio = 1 - float64(p.sum.Received)/float64(p.sum.Sent)
	return line, nil
}

// send sends one and waits for the answer.
func (p *pinger) send(ctx context.Context) (control.PingReply, error) {
	if !p.overlay {
		return p.client.Ping(ctx, p.request)
	}
	r, err := p.client.PingOverlay(ctx, control.OverlayPing{
		VNI: p.vni, To: p.request.Peer, Size: p.request.Size, TimeoutSeconds: p.request.TimeoutSeconds,
	})
	return control.PingReply{Peer: r.To, Remote: r.Address, RTTSeconds: r.RTTSeconds}, err
}

// isLost reports whether the next echo may fare better.
func isLost(err error) bool {
	code := control.AsError(err).Code
	return code == control.CodeTimeout || code == control.CodeFailed
}

// add counts an answer.
func (s *pingSummary) add(r control.PingReply) {
	s.Received++
	s.Remote, s.MTU = r.Remote, r.MTU
	if s.Received == 1 || r.RTTSeconds < s.RTTMinSeconds {
		s.RTTMinSeconds = r.RTTSeconds
	}
	s.RTTMaxSeconds = max(s.RTTMaxSeconds, r.RTTSeconds)
	s.RTTAvgSeconds += (r.RTTSeconds - s.RTTAvgSeconds) / float64(s.Received)
}

// text is what is printed of the sum.
func (p *pinger) text(s pingSummary) string {
	text := fmt.Sprintf("\n%s: %s sent, %d came back, %.0f%% lost\n",
		s.Peer, plural(s.Sent, "echo", "echoes"), s.Received, s.LossRatio*1e2)
	switch {
	case s.Received == 0 && p.overlay:
		return text + "  see who has been heard   vxmesh fdb\n"
	case s.Received == 0:
		return text + "  vxmesh why " + s.Peer + "\n"
	}
	text += fmt.Sprintf("round trip min/avg/max %s/%s/%s",
		milliseconds(s.RTTMinSeconds), milliseconds(s.RTTAvgSeconds), milliseconds(s.RTTMaxSeconds))
	if s.MTU > 0 {
		text += fmt.Sprintf(", path MTU %d", s.MTU)
	}
	return text + "\n"
}
