package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vxmesh/vxmesh/lab/netns"
)

const vxmeshConfig = `[network]
name = "bench"
state = "%s"

[[segments]]
vni = 4242

  [segments.device]
  kind = "%s"
  name = "%s"
  addresses = ["%s/24"]
`

const plainLeg = `
  [segments.vxlan]
  remotes = ["%s"]
`

const sealedPeer = `
[listen]
mesh = [":42420"]

[[peers]]
name = "host%d"
key = "%s"
endpoints = ["%s:42420"]
`

func vxmeshKernel(b *builder, n *network) error {
	if err := n.hosts[0].startPlain(b.options.binary); err != nil {
		return err
	}
	return n.hosts[1].addVXLAN()
}

func vxmeshPlain(b *builder, n *network) error {
	return n.each(func(h *host) error { return h.startPlain(b.options.binary) })
}

// vxmeshSealed joins two nodes that know each other's keys and have no plain leg.
func vxmeshSealed(b *builder, n *network) error {
	var keys [2]string
	for i, h := range n.hosts {
		file, err := h.writeConfig("")
		if err != nil {
			return err
		}
		out, err := h.ns.RunArgs(b.options.binary, "key", "show", "--json", "--config", file)
		if err != nil {
			return err
		}
		var key struct {
			Public string `json:"public_key"`
		}
		if err := json.Unmarshal([]byte(out), &key); err != nil {
			return fmt.Errorf("read what vxmesh key show wrote: %w: %q", err, out)
		}
		keys[i] = key.Public
	}
	for i, h := range n.hosts {
		peer := fmt.Sprintf(sealedPeer, 3-h.n, keys[1-i], h.other())
		if err := h.startVxmesh(b.options.binary, peer); err != nil {
			return err
		}
	}
	return nil
}

// vxmeshSealedTUN is vxmeshSealed with devices such as wireguard-go has.
func vxmeshSealedTUN(b *builder, n *network) error {
	for _, h := range n.hosts {
		h.kind = "tun"
	}
	return vxmeshSealed(b, n)
}

func (h *host) startPlain(binary string) error {
	return h.startVxmesh(binary, fmt.Sprintf(plainLeg, h.other()))
}

func (h *host) writeConfig(more string) (string, error) {
	return h.write("bench.toml", fmt.Sprintf(vxmeshConfig, h.dir, cmp.Or(h.kind, "tap"), overlay, h.inner())+
		h.offers()+more)
}

// startVxmesh joins with what is added to the common part of the file, and waits for the device.
func (h *host) startVxmesh(binary, more string) error {
	file, err := h.writeConfig(more)
	if err != nil {
		return err
	}
	err = h.start(binary, "join", file, "--socket", filepath.Join(h.dir, "sock"))
	if err != nil {
		return err
	}
	if h.stack {
		return nil // there is no device to wait for
	}
	return netns.Eventually(startup, func() error {
		out, err := h.ns.Run("ip -brief address show dev " + overlay + " up")
		if err == nil && !strings.Contains(out, h.inner()) {
			err = errors.New("vxmesh has not set up " + overlay)
		}
		if err != nil {
			return fmt.Errorf("%w%s", err, h.log())
		}
		return nil
	})
}
