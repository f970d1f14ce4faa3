package main

import "fmt"

// kernelVXLAN makes the kernel the endpoint on both hosts.
func kernelVXLAN(_ *builder, n *network) error { return n.each((*host).addVXLAN) }

// addVXLAN leaves the MTU that a 1500-byte underlay does.
func (h *host) addVXLAN() error { return h.vxlanOver(h.outer(), h.other(), 1450) }

// vxlanOver makes the kernel's vxlan device between two addresses.
func (h *host) vxlanOver(local, remote string, mtu int) error {
	return h.run(
		fmt.Sprintf("ip link add %s type vxlan id 4242 dstport 4789 local %s remote %s",
			overlay, local, remote),
		"ip address add "+h.inner()+"/24 dev "+overlay,
		fmt.Sprintf("ip link set %s mtu %d up", overlay, mtu),
	)
}
