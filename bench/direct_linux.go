package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// direct waits until each echo and each answer is one UDP datagram between the endpoints. Until
// then tinc sends over TCP and n2n through its supernode.
func direct(n *network) error {
	const echoes, slack = 20, 5 // what the endpoints tell each other meanwhile
	a, b := n.hosts[0], n.hosts[1]
	return netns.Eventually(startup, func() error {
		before, err := n.datagrams()
		if err != nil {
			return err
		}
		err = a.run(fmt.Sprintf("ping -q -c %d -i 0.02 -W 1 %s", echoes, b.inner()))
		if err != nil {
			return err
		}
		after, err := n.datagrams()
		if err != nil {
			return err
		}
		for i, h := range n.hosts {
			if got := after[i] - before[i]; got < echoes || got > echoes+slack {
				return fmt.Errorf("%d echoes came to host %d in %d datagrams%s", echoes, h.n, got, h.log())
			}
		}
		return nil
	})
}

// datagrams is how many UDP datagrams each namespace has delivered to its sockets.
func (n *network) datagrams() (counts [2]int, err error) {
	for i, h := range n.hosts {
		text, err := h.ns.ReadFile("/proc/net/snmp")
		if err != nil {
			return counts, err
		}
		if counts[i], err = inDatagrams(text); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

// inDatagrams reads the counter out of a line of names and a line of figures.
func inDatagrams(snmp string) (int, error) {
	var names []string
	for line := range strings.Lines(snmp) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names[:min(len(names), len(fields))] {
			if name == "InDatagrams" {
				return strconv.Atoi(fields[i])
			}
		}
	}
	return 0, fmt.Errorf("no count of UDP datagrams in %q", snmp)
}
