package main

import (
	"fmt"
	"strings"
)

const (
	// offloadNames are what "offloads off" turns off, as ethtool calls them.
	offloadNames = "tso off gso off gro off"
	// tunnelOffloads are those that would carry several datagrams as one packet over the cable.
	tunnelOffloads = "tx-udp-segmentation off tx-udp_tnl-segmentation off " +
		"tx-udp_tnl-csum-segmentation off"
	// linkMTU is the cable's; a bigger packet on it would be several.
	linkMTU = 1500
)

// overlayOffloadsOff turns off what the pairs without offloads do without.
func (h *host) overlayOffloadsOff() error {
	return h.run("ethtool -K "+overlay+" "+offloadNames, "ethtool -K "+underlay+" "+offloadNames)
}

// singleDatagrams makes every datagram a packet of its own on the cable, as it is on a real one.
func (h *host) singleDatagrams() error {
	return h.run("ethtool -K " + underlay + " " + offloadNames + " " + tunnelOffloads)
}

// offloadsOff says what is off in the pairs without offloads, as the kernel itself reports it.
func offloadsOff(pairs []*pair) string {
	var lines []string
	for _, p := range pairs {
		if !p.tunnel.off {
			continue
		}
		for _, dev := range []string{overlay, underlay} {
			out, err := p.from.ns.Run("ethtool -k " + dev)
			if err != nil {
				continue // the table is no worse for it
			}
			var off []string
			for _, name := range []string{
				"tcp-segmentation-offload", "generic-segmentation-offload",
				"generic-receive-offload", "tx-udp_tnl-segmentation", "tx-udp-segmentation",
			} {
				if strings.Contains(out, name+": off") {
					off = append(off, name)
				}
			}
			lines = append(lines, dev+": "+strings.Join(off, ", "))
		}
	}
	return strings.Join(lines, "; ")
}

// A gauge counts the IP packets that come to a host from the cable, and loses some of them after
// it has counted them.
type gauge struct{ host *host }

// newGauge loses the given percentage of the UDP datagrams. It must be closed.
func newGauge(h *host, loss float64) (*gauge, error) {
	script := []string{
		"add table netdev bench",
		"add chain netdev bench in { type filter hook ingress device " + underlay + " priority 0; }",
		"add counter netdev bench wire",
		"add rule netdev bench in meta protocol ip counter name wire",
	}
	if loss > 0 {
		script = append(script, fmt.Sprintf("add rule netdev bench in ip protocol udp "+
			"numgen random mod 100000 < %.0f drop", loss*1000))
	}
	_, err := h.ns.RunArgs("nft", strings.Join(script, "; "))
	return &gauge{h}, err
}

// count is what has come since the gauge was made: packets, and their bytes from the IP header on.
func (g *gauge) count() (packets, bytes float64, err error) {
	out, err := g.host.ns.Run("nft list counter netdev bench wire")
	if err != nil {
		return 0, 0, err
	}
	return parseCounter(out)
}

func (g *gauge) close() error { return g.host.run("nft delete table netdev bench") }

// parseCounter reads what nft lists: "packets 12 bytes 3456", somewhere.
func parseCounter(text string) (packets, bytes float64, err error) {
	if _, rest, found := strings.Cut(text, "packets "); found {
		if n, _ := fmt.Sscanf(rest, "%f bytes %f", &packets, &bytes); n == 2 {
			return packets, bytes, nil
		}
	}
	return 0, 0, fmt.Errorf("read what nft wrote: no counter in %q", text)
}

// share is what part of the counted bytes was payload, in per cent.
func (g *gauge) share(payload float64) (float64, error) {
	packets, bytes, err := g.count()
	if err != nil {
		return 0, err
	}
	return payloadShare(payload, packets, bytes)
}

func payloadShare(payload, packets, bytes float64) (float64, error) {
	if packets == 0 {
		return 0, fmt.Errorf("no packet was counted on %s", underlay)
	}
	if bytes/packets > linkMTU {
		return 0, fmt.Errorf("packets of %.0f bytes on %s: some were counted as one", bytes/packets,
			underlay)
	}
	return 100 * payload / bytes, nil
}
