package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// The overlay device has one name on every host, whoever makes it, and the MTU that a 1500-byte
// underlay leaves.
const (
	overlay  = "vx0"
	underlay = "eth0"
	startup  = 10 * time.Second
)

// A host is one end of a network: a namespace with an endpoint in it.
type host struct {
	ns     *netns.NS
	n      int            // 1 or 2
	vxmesh *netns.Process // nil where the kernel is the endpoint
}

func (h *host) outer() string { return fmt.Sprintf("192.0.2.%d", h.n) }
func (h *host) inner() string { return fmt.Sprintf("10.42.0.%d", h.n) }
func (h *host) other() string { return fmt.Sprintf("192.0.2.%d", 3-h.n) }

// A network is two hosts and the cable between them.
//
//	host 1                                    host 2
//	vx0 10.42.0.1/24 == VXLAN, VNI 4242 ===== vx0 10.42.0.2/24
//	eth0 192.0.2.1/24 -------- veth --------- eth0 192.0.2.2/24
type network struct {
	hosts [2]*host
}

// A pair is a network measured in one direction.
type pair struct {
	name     string
	from, to *host
	off      bool // without offloads
}

// buildPairs makes the networks that the wanted pairs need. What it returns must be closed, also
// with an error.
func buildPairs(o options, work string) (networks []*network, pairs []*pair, err error) {
	for _, w := range []struct {
		pairs  []string // forwards, and backwards where that is not the same
		vxmesh [2]bool
		off    bool
	}{
		{[]string{"kernel -> kernel"}, [2]bool{false, false}, false},
		{[]string{"kernel -> kernel, offloads off"}, [2]bool{false, false}, true},
		{[]string{"vxmesh -> kernel", "kernel -> vxmesh"}, [2]bool{true, false}, false},
		{[]string{"vxmesh -> vxmesh"}, [2]bool{true, true}, false},
	} {
		if !strings.Contains(strings.Join(w.pairs, "\n"), o.pairs) {
			continue
		}
		n, err := buildNetwork(o.binary, work, w.vxmesh, w.off)
		networks = append(networks, n)
		if err != nil {
			return networks, nil, fmt.Errorf("%s: %w", w.pairs[0], err)
		}
		for i, name := range w.pairs {
			if strings.Contains(name, o.pairs) {
				pairs = append(pairs, &pair{name, n.hosts[i], n.hosts[1-i], w.off})
			}
		}
	}
	if len(pairs) == 0 {
		return networks, nil, fmt.Errorf("no pair's name contains %q", o.pairs)
	}
	return networks, pairs, nil
}

func buildNetwork(binary, work string, vxmesh [2]bool, off bool) (*network, error) {
	n := &network{}
	for i := range n.hosts {
		ns, err := netns.New(fmt.Sprintf("host %d", i+1))
		if err != nil {
			return n, err
		}
		n.hosts[i] = &host{ns: ns, n: i + 1}
	}
	a, b := n.hosts[0], n.hosts[1]
	if err := netns.Veth(a.ns, underlay, b.ns, underlay); err != nil {
		return n, err
	}
	for i, h := range n.hosts {
		endpoint := h.addKernel
		if vxmesh[i] {
			endpoint = func() error { return h.startVxmesh(binary, work) }
		}
		if err := h.setUp(endpoint, off); err != nil {
			return n, err
		}
	}
	return n, netns.Eventually(startup, func() error {
		_, err := a.ns.Run("ping -c 1 -W 1 " + b.inner())
		return err
	})
}

func (h *host) setUp(endpoint func() error, off bool) error {
	_, err := h.ns.Run("ip address add " + h.outer() + "/24 dev " + underlay)
	if err != nil {
		return err
	}
	if err := endpoint(); err != nil {
		return err
	}
	if off {
		return h.offloadsOff()
	}
	return nil
}

func (h *host) addKernel() error {
	for _, line := range []string{
		"ip link add " + overlay + " type vxlan id 4242 dstport 4789 local " + h.outer() +
			" remote " + h.other(),
		"ip address add " + h.inner() + "/24 dev " + overlay,
		"ip link set " + overlay + " mtu 1450 up",
	} {
		if _, err := h.ns.Run(line); err != nil {
			return err
		}
	}
	return nil
}

const vxmeshConfig = `[network]
name = "bench"
state = "%s"

[[segments]]
vni = 4242

  [segments.device]
  name = "%s"
  addresses = ["%s/24"]

  [segments.vxlan]
  remotes = ["%s"]
`

func (h *host) startVxmesh(binary, work string) (err error) {
	dir, err := os.MkdirTemp(work, "host-")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "bench.toml")
	text := fmt.Sprintf(vxmeshConfig, dir, overlay, h.inner(), h.other())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	h.vxmesh, err = h.ns.Start(netns.StartOptions{
		Args: []string{binary, "join", file, "--socket", filepath.Join(dir, "sock")},
	})
	if err != nil {
		return err
	}
	return netns.Eventually(startup, func() error {
		out, err := h.ns.Run("ip -brief address show dev " + overlay + " up")
		if err == nil && !strings.Contains(out, h.inner()) {
			err = errors.New("vxmesh has not set up " + overlay)
		}
		if err != nil {
			return fmt.Errorf("%w; its log:\n%s", err, h.vxmesh.Output())
		}
		return nil
	})
}

// offloadNames are what "offloads off" turns off, as ethtool calls them.
const offloadNames = "tso off gso off gro off"

func (h *host) offloadsOff() error {
	for _, dev := range []string{overlay, underlay} {
		if _, err := h.ns.Run("ethtool -K " + dev + " " + offloadNames); err != nil {
			return err
		}
	}
	return nil
}

// offloadsOff says what is off in the pairs without offloads, as the kernel itself reports it.
func offloadsOff(pairs []*pair) string {
	var lines []string
	for _, p := range pairs {
		if !p.off {
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

// ended says that there was a vxmesh and there is none any more.
func (h *host) ended() bool {
	if h.vxmesh == nil {
		return false
	}
	select {
	case <-h.vxmesh.Done():
		return true
	default:
		return false
	}
}

func (n *network) close() {
	for _, h := range n.hosts {
		if h == nil {
			continue
		}
		if h.vxmesh != nil {
			h.vxmesh.Kill()
		}
		h.ns.Close()
	}
}
