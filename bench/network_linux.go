package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// The overlay device has one name on every host, whoever makes it.
const (
	overlay  = "vx0"
	underlay = "eth0"
	startup  = 20 * time.Second
)

// A host is one end of a network: a namespace with an endpoint in it.
type host struct {
	ns       *netns.NS
	n        int              // 1 or 2
	dir      string           // the files of its endpoint
	kind     string           // of the device of vxmesh; "" is a TAP
	stack    bool             // its endpoint has a stack of its own, and there is no device
	programs []*netns.Process // none where the kernel is the endpoint
}

func (h *host) outer() string { return fmt.Sprintf("192.0.2.%d", h.n) }
func (h *host) inner() string { return fmt.Sprintf("10.42.0.%d", h.n) }
func (h *host) other() string { return fmt.Sprintf("192.0.2.%d", 3-h.n) }
func (h *host) far() string   { return fmt.Sprintf("10.42.0.%d", 3-h.n) }

// A network is two hosts and the cable between them.
//
//	host 1                                    host 2
//	vx0 10.42.0.1/24 ====== a tunnel ======== vx0 10.42.0.2/24
//	eth0 192.0.2.1/24 -------- veth --------- eth0 192.0.2.2/24
type network struct {
	hosts [2]*host
}

// newNetwork makes everything but the tunnel. What it returns must be closed, also with an error.
func newNetwork(work string) (*network, error) {
	n := &network{}
	for i := range n.hosts {
		ns, err := netns.New(fmt.Sprintf("host %d", i+1))
		if err != nil {
			return n, err
		}
		n.hosts[i] = &host{ns: ns, n: i + 1}
		if n.hosts[i].dir, err = os.MkdirTemp(work, "host-"); err != nil {
			return n, err
		}
	}
	err := netns.Veth(n.hosts[0].ns, underlay, n.hosts[1].ns, underlay)
	if err != nil {
		return n, err
	}
	return n, n.each(func(h *host) error {
		// Without IPv6 on the cable, over which a node may find a second way when a flood spoils the first: all
		// tunnels are to be measured over the same one, and so is what they put on it.
		return h.run("sysctl -qw net.ipv6.conf."+underlay+".disable_ipv6=1",
			"ip address add "+h.outer()+"/24 dev "+underlay)
	})
}

// each does the same on both hosts.
func (n *network) each(f func(h *host) error) error {
	for _, h := range n.hosts {
		if err := f(h); err != nil {
			return err
		}
	}
	return nil
}

// waitPing returns when the overlay carries an echo and its answer.
func (n *network) waitPing() error {
	return netns.Eventually(startup, func() error {
		err := n.hosts[0].run("ping -c 1 -W 1 " + n.hosts[1].inner())
		if err != nil {
			return fmt.Errorf("%w%s%s", err, n.hosts[0].log(), n.hosts[1].log())
		}
		return nil
	})
}

func (n *network) close() {
	for _, h := range n.hosts {
		if h == nil {
			continue
		}
		for _, p := range h.programs {
			p.Kill()
		}
		h.ns.Close()
	}
}

// run executes commands in turn.
func (h *host) run(lines ...string) error {
	for _, line := range lines {
		if _, err := h.ns.Run(line); err != nil {
			return err
		}
	}
	return nil
}

// start begins a program of the endpoint, which [network.close] ends.
func (h *host) start(args ...string) error {
	p, err := h.ns.Start(netns.StartOptions{Args: args, Dir: h.dir})
	if err != nil {
		return err
	}
	h.programs = append(h.programs, p)
	return nil
}

// write makes one of the endpoint's files, directories included, and returns its name.
func (h *host) write(name, text string) (string, error) {
	file := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// waitDevice returns when a program has made its device.
func (h *host) waitDevice(name string) error {
	return netns.Eventually(startup, func() error {
		if err := h.run("ip link show dev " + name); err != nil {
			return fmt.Errorf("%w%s", err, h.log())
		}
		return nil
	})
}

// setUp gives the overlay device that a program has made its address.
func (h *host) setUp() error {
	if err := h.waitDevice(overlay); err != nil {
		return err
	}
	return h.run("ip address replace "+h.inner()+"/24 dev "+overlay, "ip link set "+overlay+" up")
}

// mtu is the overlay device's, as the kernel knows it; 0 when there is none.
func (h *host) mtu() (mtu int) {
	_ = h.ns.Do(func() error { // without a device nothing is measured, which says more
		dev, err := net.InterfaceByName(overlay)
		if err == nil {
			mtu = dev.MTU
		}
		return err
	})
	return mtu
}

// ended says that a program has ended before its time.
func (h *host) ended() bool {
	for _, p := range h.programs {
		select {
		case <-p.Done():
			return true
		default:
		}
	}
	return false
}

// logLimit is how much of a program's log an error shows; the end says why it is not well.
const logLimit = 2000

// log is what the programs have written, for an error's text; empty when they were silent.
func (h *host) log() string {
	var text strings.Builder
	for _, p := range h.programs {
		if out := strings.TrimSpace(p.Output()); out != "" {
			fmt.Fprintf(&text, "\nlog on host %d: %s", h.n, out[max(0, len(out)-logLimit):])
		}
	}
	return text.String()
}
