// Package oui tells who made a network card from its address.
//
// The first three octets of a globally administered address are an OUI, which the IEEE assigns to
// a maker. The table holds the assignments of 24-bit blocks (MA-L) that name their holder; a block
// which the IEEE divides further, or whose holder asked not to be named, counts as not registered.
// Names are shortened for a narrow column: no legal forms, no more than 24 characters.
//
// The data are the public register of the IEEE Registration Authority,
// https://standards-oui.ieee.org/oui/oui.txt, as of 24 October 2025, taken from package macs of
// github.com/gopacket/gopacket v1.7.7, which is under the BSD licence in LICENSE.gopacket. Package
// macs itself is not linked: its map would be built whenever any command starts. Here the table is
// a compressed file, which is unpacked when somebody asks for the first time.
//
// Everything here may be called concurrently.
package oui

import (
	_ "embed"
	"sync"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

//go:generate go run gen.go

//go:embed oui.gz
var packed []byte

// vendors panics on a table that does not decode, for that is a program which was built wrong.
var vendors = sync.OnceValue(func() *table {
	t, err := decode(packed)
	if err != nil {
		panic(err)
	}
	return t
})

// NameLen is the most characters that a name has.
const NameLen = 24

// Bits of the first octet (IEEE 802, 8.2.2).
const (
	groupBit = 0x01
	localBit = 0x02
)

// Vendor gives a short name of whoever made, or made up, the address: "Intel", "QEMU/KVM". It is ""
// for an address that is not registered, for that of a group, and for a locally administered one
// unless a program is known for its prefix. vxmesh's own devices share no more than their first
// octet, fe, with each other and with one in 64 random addresses, so they have no name here.
//
// The first call takes a few milliseconds, a later one well below a microsecond.
func Vendor(mac ether.MAC) string {
	if name := virtual(mac); name != "" {
		return name
	}
	if mac[0]&(groupBit|localBit) != 0 {
		return ""
	}
	return vendors().find(prefix(mac))
}

// prefix gives the OUI as a number, first octet highest.
func prefix(mac ether.MAC) uint32 {
	return uint32(mac[0])<<16 | uint32(mac[1])<<8 | uint32(mac[2])
}

// virtual names the programs that give addresses to virtual machines and containers. Some use a
// block of their maker, whose name would say less than theirs; the others pick a local one.
func virtual(mac ether.MAC) string {
	switch prefix(mac) {
	case 0x525400:
		return "QEMU/KVM"
	case 0x080027, 0x0a0027: // guests, and the host's end of a host-only network
		return "VirtualBox"
	case 0x00155d:
		return "Hyper-V"
	case 0x00163e:
		return "Xen"
	case 0xbc2411:
		return "Proxmox"
	}
	if mac[0] == 0x02 && mac[1] == 0x42 { // the other four octets are the container's IPv4 address
		return "Docker"
	}
	return ""
}
