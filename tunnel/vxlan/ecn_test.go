package vxlan_test

import (
	"bytes"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// Frames with a UDP datagram of no bytes. The IPv4 checksum is filled in by [tosFrame].
const (
	udp4 = "020000000001 020000000002 0800 4500001c 00004000 40110000 c0000201 c6336402 0001 0002 0008 0000"
	udp6 = "020000000001 020000000002 86dd 60012345 00081140 20010db8000000000000000000000001" +
		"20010db8000000000000000000000002 0001 0002 0008 0000"
	tagged4 = "020000000001 020000000002 8100 0005 0800 4500001c 00004000 40110000 c0000201 c6336402" +
		"0001 0002 0008 0000"
)

// tosFrame gives a frame with a traffic class and a right header checksum.
func tosFrame(t testing.TB, s string, tos uint8) (ether.Frame, ether.IP) {
	f := ether.Frame(unhex(t, s))
	ip, ok := ether.ParseIP(f)
	if !ok {
		t.Fatal("not an IP packet")
	}
	ip.SetTOS(f, tos)
	if ip.Version == 4 {
		ether.PutIPv4Checksum(f[ip.Offset:])
	}
	ip, _ = ether.ParseIP(f)
	return f, ip
}

// TestECNEncap is the Linux kernel's table: everything is copied, but congestion inside is ECT(0)
// outside. It holds whatever the DSCP bits are.
func TestECNEncap(t *testing.T) {
	for inner, want := range map[uint8]uint8{
		ether.NotECT: ether.NotECT, ether.ECT1: ether.ECT1, ether.ECT0: ether.ECT0, ether.CE: ether.ECT0,
	} {
		for _, frame := range []string{udp4, udp6, tagged4} {
			for _, dscp := range []uint8{0, 0x14, 0xb8, 0xfc} {
				_, ip := tosFrame(t, frame, dscp|inner)
				for _, tos := range []int{0, 0x20, 0xff, vxlan.Inherit} {
					o := vxlan.Outer{TTL: 64, TOS: tos}
					if _, got, _ := o.For(ip); got&3 != want {
						t.Errorf("inner %#02x, tos %d: outer %#02x, want ECN %d", dscp|inner, tos, got, want)
					}
				}
			}
		}
	}
}

// TestECNDecap is the table of RFC 6040, 4.2.
func TestECNDecap(t *testing.T) {
	const dropped = 0xff
	table := [4][4]uint8{ // inner by outer: Not-ECT, ECT(1), ECT(0), CE
		{0, 0, 0, dropped},
		{1, 1, 1, 3},
		{2, 1, 2, 3},
		{3, 3, 3, 3},
	}
	for inner, row := range table {
		for outer, want := range row {
			for _, s := range []string{udp4, udp6, tagged4} {
				for _, dscp := range []uint8{0, 0xb8, 0xfc} {
					wantDecap(t, s, dscp|uint8(inner), uint8(outer), dscp|want, want == dropped)
				}
			}
		}
	}
}

// wantDecap decapsulates a frame of traffic class inner and wants it with tos, or dropped unchanged.
func wantDecap(t *testing.T, s string, inner, outer, tos uint8, isDropped bool) {
	t.Helper()
	frame, ip := tosFrame(t, s, inner)
	wantFrame, wantReason := bytes.Clone(frame), drop.ECN
	if !isDropped {
		wantFrame, _ = tosFrame(t, s, tos)
		wantReason = drop.None
	}
	reason := vxlan.Decap(frame, ip, 0x48|outer)
	if reason != wantReason || !bytes.Equal(frame, wantFrame) {
		t.Errorf("inner %#02x, outer %d: %s\n% x, want\n% x", inner, outer, reason, frame, wantFrame)
	}
}

// TestECNDecapKeepsErrors makes sure that a header checksum that was wrong before is wrong after.
func TestECNDecapKeepsErrors(t *testing.T) {
	frame, ip := tosFrame(t, udp4, ether.ECT0)
	frame[24] ^= 0x40
	if vxlan.Decap(frame, ip, ether.CE) != drop.None || ether.Sum(frame[14:34]) == 0xffff {
		t.Error("a wrong checksum was set right")
	}
}

func TestECNDecapOther(t *testing.T) {
	frame := ether.Frame(unhex(t, "ffffffffffff 020000000002 0806 0001"))
	before := bytes.Clone(frame)
	if reason := vxlan.Decap(frame, ether.IP{}, ether.CE); reason != drop.None || !bytes.Equal(frame, before) {
		t.Errorf("ARP: %s, % x", reason, frame)
	}
}
