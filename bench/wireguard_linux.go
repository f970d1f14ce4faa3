package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

const (
	// wireguardModule is pinned, so that figures of different days compare.
	wireguardModule = "golang.zx2c4.com/wireguard@v0.0.0-20260522210424-ecfc5a8d5446"
	// socketVariable is where the program keeps its control sockets, which the linker can set.
	socketVariable = "golang.zx2c4.com/wireguard/ipc.socketDirectory"

	wireguardPort = 51820
	// wireguardMTU is the one that the program itself gives its device.
	wireguardMTU = 1420
)

// wireGuard carries IP only: its device has no Ethernet.
func wireGuard(b *builder, n *network) error {
	if err := startWireGuard(b, n, overlay); err != nil {
		return err
	}
	return n.each((*host).setUp)
}

// vxlanOverWireGuard is how Ethernet usually passes through WireGuard.
func vxlanOverWireGuard(b *builder, n *network) error {
	const tunnel = "wg0"
	if err := startWireGuard(b, n, tunnel); err != nil {
		return err
	}
	return n.each(func(h *host) error {
		local, remote := fmt.Sprintf("10.43.0.%d", h.n), fmt.Sprintf("10.43.0.%d", 3-h.n)
		err := h.run("ip address add "+local+"/24 dev "+tunnel, "ip link set "+tunnel+" up")
		if err != nil {
			return err
		}
		return h.vxlanOver(local, remote, wireguardMTU-50)
	})
}

// startWireGuard leaves each host with a device of the given name and no address.
func startWireGuard(b *builder, n *network, device string) error {
	keys, err := wireguardKeys()
	if err != nil {
		return err
	}
	for i, h := range n.hosts {
		settings := wireguardSettings(keys[i], keys[1-i].PublicKey(), h.other())
		if err := h.startWireGuard(b, device, settings); err != nil {
			return err
		}
	}
	return nil
}

func wireguardKeys() (keys [2]*ecdh.PrivateKey, err error) {
	for i := range keys {
		if keys[i], err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
			return keys, err
		}
	}
	return keys, nil
}

// startWireGuard leaves the host with a device of the given name and no address.
func (h *host) startWireGuard(b *builder, device, settings string) error {
	program, err := b.install(wireguardModule, "-X "+socketVariable+"="+b.work)
	if err != nil {
		return err
	}
	// Sockets are named after devices and all lie in one directory: hence a name that no
	// other host has, which the device then loses.
	name := fmt.Sprintf("wg-%d-%d", len(b.networks), h.n)
	if err := h.start(program, "-f", name); err != nil {
		return err
	}
	socket := filepath.Join(b.work, name+".sock")
	err = netns.Eventually(startup, func() error { return configure(socket, settings) })
	if err != nil {
		return fmt.Errorf("configure wireguard-go: %w%s", err, h.log())
	}
	return h.run("ip link set " + name + " name " + device)
}

// wireguardSettings are in the words of the cross-platform userspace configuration protocol.
func wireguardSettings(own *ecdh.PrivateKey, peer *ecdh.PublicKey, address string) string {
	return fmt.Sprintf("private_key=%s\nlisten_port=%d\n"+
		"public_key=%s\nendpoint=%s:%d\nallowed_ip=0.0.0.0/0\n\n",
		hex.EncodeToString(own.Bytes()), wireguardPort,
		hex.EncodeToString(peer.Bytes()), address, wireguardPort)
}

// configure asks for settings and reads the answer, which ends with errno=0 and an empty line.
func configure(socket, settings string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startup)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "set=1\n"+settings); err != nil {
		return err
	}
	var answer strings.Builder
	for !strings.HasSuffix(answer.String(), "\n\n") {
		if _, err := io.CopyN(&answer, conn, 1); err != nil {
			return fmt.Errorf("read the answer %q: %w", answer.String(), err)
		}
	}
	if answer.String() != "errno=0\n\n" {
		return fmt.Errorf("it answered %q", answer.String())
	}
	return nil
}
