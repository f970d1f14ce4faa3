package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newStatsCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "stats [NETWORK]",
		Short:   "Show frames, bytes, and every drop by its reason",
		Example: "  vxmesh stats\n  vxmesh stats --json",
		Args:    orNetwork,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			s, err := c.Stats(cmd.Context())
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, s, statsText)
		},
	}
}

func statsText(s control.Stats) string {
	var parts []string
	for _, part := range []string{
		segmentTable(s), vtepStatsTable(s), guestStatsTable(s), peerStatsTable(s), socketTable(s), proxyTable(s),
		dropTable(s),
	} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "\n")
}

func segmentTable(s control.Stats) string {
	var t table
	t.add("VNI", "RX FRAMES", "RX BYTES", "TX FRAMES", "TX BYTES", "FLOODED", "DROPPED",
		"FDB", "LEARNED", "MOVED", "AGED", "REFUSED")
	for _, seg := range s.Segments {
		f := seg.FDB
		t.add(seg.VNI, seg.RxFrames, byteCount(seg.RxBytes), seg.TxFrames, byteCount(seg.TxBytes),
			seg.FloodedFrames, seg.Drops.Total(),
			f.Entries, f.Learned, f.Moved, f.Aged, f.TableFull+f.PortFull)
	}
	return t.String()
}

func vtepStatsTable(s control.Stats) string {
	var t table
	t.add("VNI", "VTEP", "RX FRAMES", "RX BYTES", "TX FRAMES", "TX BYTES", "DROPPED")
	for _, v := range s.VTEPs {
		t.add(v.VNI, v.Remote, v.RxFrames, byteCount(v.RxBytes), v.TxFrames, byteCount(v.TxBytes),
			v.Drops.Total())
	}
	return t.String()
}

func guestStatsTable(s control.Stats) string {
	var t table
	t.add("VNI", "GUEST", "RX FRAMES", "RX BYTES", "TX FRAMES", "TX BYTES", "DROPPED")
	for _, g := range s.Guests {
		t.add(g.VNI, g.Name, g.RxFrames, byteCount(g.RxBytes), g.TxFrames, byteCount(g.TxBytes),
			g.Drops.Total())
	}
	return t.String()
}

func peerStatsTable(s control.Stats) string {
	var t table
	t.add("PEER", "RX FRAMES", "RX BYTES", "RX DATAGRAMS", "TX FRAMES", "TX BYTES", "TX DATAGRAMS",
		"HANDSHAKES", "DROPPED")
	for _, p := range s.Peers {
		t.add(p.Name, p.RxFrames, byteCount(p.RxBytes), p.RxDatagrams,
			p.TxFrames, byteCount(p.TxBytes), p.TxDatagrams, p.Handshakes, p.Drops.Total())
	}
	return t.String()
}

func socketTable(s control.Stats) string {
	var t table
	t.add("SOCKET", "RX DATAGRAMS", "RX BYTES", "TX DATAGRAMS", "TX BYTES", "LOST IN KERNEL",
		"DROPPED")
	for _, k := range s.Sockets {
		t.add(k.Listen, k.RxDatagrams, byteCount(k.RxBytes), k.TxDatagrams, byteCount(k.TxBytes),
			k.RxDrops, k.Drops.Total())
	}
	return t.String()
}

func proxyTable(s control.Stats) string {
	var t table
	t.add("PROXY", "LISTEN", "TO", "OPEN", "TOTAL", "REFUSED", "FAILED", "RX BYTES", "TX BYTES")
	for _, p := range s.Proxies {
		t.add(p.Kind, p.Protocol+" "+p.Listen, p.To, p.Open, p.Total, p.Refused, p.Failed,
			byteCount(p.RxBytes), byteCount(p.TxBytes))
	}
	return t.String()
}

// dropTable lists every reason that has occurred, by where.
func dropTable(s control.Stats) string {
	var t table
	t.add("DROPPED AT", "REASON", "COUNT")
	add := func(where string, c control.Counts) {
		for _, reason := range slices.Sorted(maps.Keys(c)) {
			t.add(where, reason, c[reason])
		}
	}
	for _, seg := range s.Segments {
		add(fmt.Sprintf("segment %d", seg.VNI), seg.Drops)
	}
	for _, v := range s.VTEPs {
		add(fmt.Sprintf("segment %d, VTEP %s", v.VNI, v.Remote), v.Drops)
	}
	for _, g := range s.Guests {
		add(fmt.Sprintf("segment %d, guest %s", g.VNI, g.Name), g.Drops)
	}
	for _, p := range s.Peers {
		add("peer "+p.Name, p.Drops)
	}
	for _, k := range s.Sockets {
		add(k.Listen, k.Drops)
	}
	return t.String()
}
