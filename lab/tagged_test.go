//go:build linux && lab

// Frames that are not plain IP cross unharmed, both ways.
//
//	K vx0 <-> [u0] 192.0.2.1 ----------- 192.0.2.2 [u0] <-> vxm0 M

package lab

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// v4Inner and v6Inner are packets between two inner hosts.
func v4Inner(payload []byte) []byte {
	return ip{src: "10.0.0.2", dst: "10.0.0.1"}.frame(unknownMAC, senderMAC, payload)
}

func v4Proto(proto byte, payload []byte) []byte {
	return ip{src: "10.0.0.2", dst: "10.0.0.1", proto: proto}.frame(unknownMAC, senderMAC, payload)
}

// v6Extended has an extension header between the IPv6 header and the payload.
func v6Extended(first byte, header, payload []byte) []byte {
	h := ip{src: "fd42::2", dst: "fd42::1", options: header}
	b := h.frame(unknownMAC, senderMAC, payload)
	b[14+6] = first
	return b
}

// v4Fragment is a packet that says it is the middle of another.
func v4Fragment(payload []byte) []byte {
	b := v4Inner(payload)
	header := b[14:34]
	header[6], header[7] = 0x20, 0x07 // more fragments, offset 56
	header[10], header[11] = 0, 0
	binary.BigEndian.PutUint16(header[10:], checksum(header))
	return b
}

// oddFrames are what Ethernet carries besides plain IP.
func oddFrames() map[string][]byte {
	udp := datagram(1000, 2000, []byte("a payload of some length, as long as that"))
	plain, largest := v4Inner(udp), v4Inner(datagram(1, 2, make([]byte, 1450-28)))
	// Options as RFC 2113, RFC 8200, 4.2 and RFC 8200, 4.5 define them.
	withOptions := ip{src: "10.0.0.2", dst: "10.0.0.1", options: []byte{0x94, 4, 0, 0}}
	hopByHop := []byte{protoUDP, 0, 1, 4, 0, 0, 0, 0}
	first := []byte{protoUDP, 0, 0, 1, 0, 0, 0, 42}
	other := func(etherType uint16, payload ...byte) []byte {
		return eth(unknownMAC, senderMAC, etherType, payload)
	}
	return map[string][]byte{
		"plain IPv4":            plain,
		"padding behind IPv4":   append(bytes.Clone(plain), make([]byte, 14)...),
		"IPv4 fragment":         v4Fragment(udp),
		"IPv4 options":          withOptions.frame(unknownMAC, senderMAC, udp),
		"IP protocol 253":       v4Proto(253, udp),
		"TCP with bad checksum": v4Proto(6, make([]byte, 40)),
		"IPv6 hop-by-hop":       v6Extended(0, hopByHop, udp),
		"IPv6 fragment":         v6Extended(44, first, udp),
		"the largest frame":     largest,
		"the largest, tagged":   tagged(largest, 0x8100, 42),
		"802.1Q":                tagged(plain, 0x8100, 42),
		"802.1Q priority":       tagged(plain, 0x8100, 5<<13),
		"802.1Q VLAN 4094":      tagged(plain, 0x8100, 7<<13|1<<12|4094),
		"802.1Q twice":          tagged(tagged(plain, 0x8100, 20), 0x8100, 10),
		"802.1ad, 802.1Q":       tagged(tagged(plain, 0x8100, 20), 0x88a8, 10),
		"three tags":            tagged(tagged(tagged(plain, 0x8100, 3), 0x8100, 2), 0x88a8, 1),
		"tagged ARP":            tagged(arp(senderMAC, "10.0.0.2", "10.0.0.1"), 0x8100, 42),
		"LLC":                   eth("01:80:c2:00:00:00", senderMAC, 38, make([]byte, 38)),
		"LLDP":                  eth("01:80:c2:00:00:0e", senderMAC, 0x88cc, []byte("lldp")),
		"MPLS":                  other(0x8847, append([]byte{0, 1, 1, 64}, plain[14:]...)...),
		"PPPoE":                 other(0x8864, 0x11, 0, 0, 1, 0, 2, 0xc0, 0x21),
		"one byte":              other(0x88b5, 1),
	}
}

// TestFramesByteForByte is Q-in-VNI and dual_vxlan_bridge (cases 37, 38) for everything that
// Ethernet carries.
func TestFramesByteForByte(t *testing.T) {
	t.Parallel()
	k, m := quietPair(t)
	k.kernel(segment{local: "192.0.2.1", remotes: []string{"192.0.2.2"}}, 4789)
	join(m, segment{remotes: []string{"192.0.2.1"}})
	// The largest frame with a tag makes a datagram of 1504 bytes, which crosses in two pieces.
	byteForByte(t, [2]port{{k, "vx0"}, {m, "vxm0"}})
}

// A port is a device of a host.
type port struct {
	*host
	device string
}

// byteForByte sends every odd frame from each end to the other.
func byteForByte(t *testing.T, ends [2]port) {
	t.Helper()
	for i, from := range ends {
		to := ends[1-i]
		sender := from.sender(from.device)
		seen := to.sniff(to.device, received(senderMAC))
		for name, frame := range oddFrames() {
			seen.Reset()
			need(t, sender.Send(frame))
			packets, err := seen.Wait(1, patience)
			if err != nil {
				t.Errorf("%s from %s: %v", name, from.Name(), err)
				continue
			}
			if !bytes.Equal(packets[0].Data, frame) {
				t.Errorf("%s from %s:\n got %x\nwant %x", name, from.Name(), packets[0].Data, frame)
			}
		}
	}
}
