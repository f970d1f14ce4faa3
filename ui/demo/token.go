package demo

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
)

// token writes an invitation as a node would, and gives the beginning of its id. It is sound, and lets
// nobody in anywhere. Its bytes are
//
//	version 1   network id 32   seed 32   inviter's key 32   expires 4   flags 1
//	endpoints: count 1, address 16 and port 2 each   segments: count 1
//	network name and node name: length 1 each   VNI 3   addresses: count 1   checksum 4
func (n *Network) token(i *invitation) (text, id string) {
	seed := sha256.Sum256(fmt.Appendf(nil, "%d invitation %d", n.seed, len(n.invitations)))
	anchor := sha256.Sum256([]byte(n.id(network)))
	key, _ := base64.StdEncoding.DecodeString(keyOf(n.selfID()))
	b := append([]byte{1}, anchor[:]...)
	b = append(append(b, seed[:]...), key...)
	b = binary.BigEndian.AppendUint32(b, uint32(i.Expires.Unix()))
	flags := byte(flagBridge)
	if i.admin {
		flags |= flagAdmin
	}
	b = append(b, flags, byte(len(ownEndpoints)))
	for _, e := range ownEndpoints {
		a := netip.MustParseAddrPort(e)
		ip := a.Addr().As16()
		b = binary.BigEndian.AppendUint16(append(b, ip[:]...), a.Port())
	}
	b = append(b, 0) // every segment
	for _, name := range []string{network, i.Node} {
		b = append(append(b, byte(len(name))), name...)
	}
	b = append(b, vni>>16, vni>>8&0xff, vni&0xff, 0)
	sum := sha256.Sum256(append([]byte("vxmesh1 token"), b...))
	h := sha256.Sum256(seed[:])
	return "vxm1" + letters.EncodeToString(append(b, sum[:4]...)), hex.EncodeToString(h[:4])
}

// The flags of a certificate.
const (
	flagBridge = 1
	flagAdmin  = 2
)

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
