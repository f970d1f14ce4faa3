package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
)

// tincConfig makes a learning switch; all else is the default, the device's MTU of 1500 with it:
// tinc finds the path's MTU and makes TCP keep to it.
const tincConfig = `Name = host%d
Mode = switch
DeviceType = tap
Interface = %s
AddressFamily = ipv4
ConnectTo = host%d
`

func tinc(_ *builder, n *network) error {
	var public [2]string
	for i, h := range n.hosts {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		if _, err := h.write("rsa_key.priv", block("RSA PRIVATE KEY",
			x509.MarshalPKCS1PrivateKey(key))); err != nil {
			return err
		}
		public[i] = fmt.Sprintf("Address = %s\n%s", h.outer(),
			block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)))
	}
	return n.each(func(h *host) error {
		for i, text := range public {
			if _, err := h.write(fmt.Sprintf("hosts/host%d", i+1), text); err != nil {
				return err
			}
		}
		_, err := h.write("tinc.conf", fmt.Sprintf(tincConfig, h.n, overlay, 3-h.n))
		if err != nil {
			return err
		}
		err = h.start("tincd", "-c", h.dir, "-D", "--pidfile", filepath.Join(h.dir, "pid"))
		if err != nil {
			return err
		}
		return h.setUp()
	})
}

// block wraps a key or a certificate as text.
func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
