package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// openvpnConfig joins two ends that know each other's certificates. The kernel module cannot carry
// Ethernet, so it is the process that does the work. All else is the default: an MTU of 1500,
// with TCP made to fit the datagrams.
const openvpnConfig = `dev %s
dev-type tap
proto udp4
local %s
remote %s
lport 1194
rport 1194
%s
dh none
cert cert.pem
key key.pem
peer-fingerprint "%s"
data-ciphers AES-256-GCM
disable-dco
verb 1
`

func openVPN(_ *builder, n *network) error {
	var prints [2]string
	for i, h := range n.hosts {
		print, err := h.writeCertificate()
		if err != nil {
			return err
		}
		prints[i] = print
	}
	for i, h := range n.hosts {
		role := [2]string{"tls-server", "tls-client"}[i]
		file, err := h.write("openvpn.conf", fmt.Sprintf(openvpnConfig, overlay, h.outer(), h.other(),
			role, prints[1-i]))
		if err != nil {
			return err
		}
		if err := h.start("openvpn", "--config", file); err != nil {
			return err
		}
		if err := h.setUp(); err != nil {
			return err
		}
	}
	return nil
}

// writeCertificate makes a key and a certificate that signs itself, and returns the fingerprint.
func (h *host) writeCertificate() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(int64(h.n)),
		Subject:      pkix.Name{CommonName: fmt.Sprintf("host%d", h.n)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	if _, err := h.write("key.pem", block("PRIVATE KEY", secret)); err != nil {
		return "", err
	}
	if _, err := h.write("cert.pem", block("CERTIFICATE", der)); err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":"), nil
}
