package main

import (
	"fmt"
	"path/filepath"
)

const (
	// iperfPort is where iperf3 listens, and forwardPort where a host with a stack of its own reaches the
	// other host's.
	iperfPort   = 5201
	forwardPort = 5202
)

// userspaceDevice is what a host offers to iperf3, which knows no stack but the kernel's.
const userspaceDevice = `
  [segments.userspace]
  publish = ["tcp:%d=127.0.0.1:%[1]d"]
  forward = ["tcp:127.0.0.1:%d=%s:%[1]d"]
`

// vxmeshUserspace is vxmeshSealed where host 2 has a stack of its own in place of a device.
func vxmeshUserspace(b *builder, n *network) error {
	h := n.hosts[1]
	h.kind, h.stack = "userspace", true
	return vxmeshSealed(b, n)
}

// offers is the part of the config of a host with a stack of its own.
func (h *host) offers() string {
	if !h.stack {
		return ""
	}
	return fmt.Sprintf(userspaceDevice, iperfPort, forwardPort, h.far())
}

// wireGuardNetstack is wireGuard where host 2 has wireguard-go's netstack in place of a device.
func wireGuardNetstack(b *builder, n *network) error {
	keys, err := wireguardKeys()
	if err != nil {
		return err
	}
	near, far := n.hosts[0], n.hosts[1]
	far.stack = true
	err = near.startWireGuard(b, overlay, wireguardSettings(keys[0], keys[1].PublicKey(), near.other()))
	if err != nil {
		return err
	}
	if err := near.setUp(); err != nil {
		return err
	}
	program := filepath.Join(b.work, "netstack")
	if err := goBuild(b.ctx, program, "./bench/netstack"); err != nil {
		return err
	}
	settings, err := far.write("settings", wireguardSettings(keys[1], keys[0].PublicKey(), far.other()))
	if err != nil {
		return err
	}
	at := func(addr string, port int) string { return fmt.Sprintf("%s:%d", addr, port) }
	return far.start(program, settings, far.inner(), at("", iperfPort), at("127.0.0.1", iperfPort),
		at("127.0.0.1", forwardPort), at(near.inner(), iperfPort))
}
