package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newPeersCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "peers [NETWORK]",
		Short:   "Show the other nodes and the ways to them",
		Example: "  vxmesh peers\n  vxmesh peers --json",
		Args:    orNetwork,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			p, err := c.Peers(cmd.Context())
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, p, func(p control.Peers) string {
				return peersText(p.Peers, time.Now())
			})
		},
	}
}

// peersText is the whole table; [peerTable] has fewer columns.
func peersText(peers []control.Peer, now time.Time) string {
	var t table
	t.add("PEER", "STATE", "FOR", "PATH", "REMOTE", "RTT", "LOSS", "MTU", "CIPHER", "RX", "TX",
		"SEEN", "REASON")
	for _, p := range peers {
		w := wayOf(p)
		t.add(p.Name, p.State, ago(now, p.Since), w.kind, w.remote, w.rtt, w.loss, w.mtu, p.Cipher,
			byteCount(p.RxBytes), byteCount(p.TxBytes), ago(now, p.LastSeen), p.Reason)
	}
	return t.String()
}

// peerTable is that of `status`; rates are nil where there are none.
func peerTable(peers []control.Peer, rates map[string]rate, now time.Time) string {
	var t table
	head := []any{"PEER", "STATE", "PATH", "REMOTE", "RTT", "LOSS"}
	if rates != nil {
		head = append(head, "RX", "TX")
	}
	t.add(append(head, "SEEN", "REASON")...)
	for _, p := range peers {
		w := wayOf(p)
		row := []any{p.Name, p.State, w.kind, w.remote, w.rtt, w.loss}
		if rates != nil {
			r, known := rates[p.Name]
			rx, tx := "", ""
			if known {
				rx, tx = bitRate(r.rx), bitRate(r.tx)
			}
			row = append(row, rx, tx)
		}
		t.add(append(row, seen(now, p), p.Reason)...)
	}
	return t.String()
}

// seenNow is how long a peer may be silent that has nothing to say.
const seenNow = 30 * time.Second

// seen is when a peer was heard last.
func seen(now time.Time, p control.Peer) string {
	if !p.LastSeen.IsZero() && now.Sub(p.LastSeen) < seenNow {
		return "now"
	}
	return ago(now, p.LastSeen)
}

// A way is a path in words; all are "" without one.
type way struct{ kind, remote, rtt, loss, mtu string }

func wayOf(p control.Peer) (w way) {
	if p.Path == nil {
		return w
	}
	w = way{kind: p.Path.Kind, remote: p.Path.Remote, loss: fmt.Sprintf("%.1f%%", p.Path.LossRatio*1e2)}
	if p.Path.Via != "" {
		w.remote = "via " + p.Path.Via
	}
	if p.Path.RTTSeconds > 0 {
		w.rtt = milliseconds(p.Path.RTTSeconds)
	}
	if p.Path.MTU > 0 {
		w.mtu = fmt.Sprint(p.Path.MTU)
	}
	return w
}

// milliseconds is a round trip with as many digits as tell something.
func milliseconds(seconds float64) string {
	ms := seconds * 1e3
	if ms < 10 {
		return fmt.Sprintf("%.2fms", ms)
	}
	return fmt.Sprintf("%.1fms", ms)
}

// ago is how long ago a time was; "" for never.
func ago(now, then time.Time) string {
	if then.IsZero() {
		return ""
	}
	return shortDuration(max(0, now.Sub(then).Seconds()))
}
