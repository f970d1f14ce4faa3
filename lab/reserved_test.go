//go:build linux && lab

// The 39 bits of a VXLAN header that RFC 7348 reserves, one by one.
//
//	K crafted datagrams [u0] 192.0.2.1 ----------- 192.0.2.2 [u0] M vxm0

package lab

import (
	"testing"
)

// mutants are VXLAN datagrams of VNI 100 with one bit flipped that is neither the I flag nor in
// the VNI. The last byte of each says which.
func mutants() (list [][]byte) {
	for bit := range byte(64) {
		if at := bit / 8; bit == 4 || (at >= 4 && at <= 6) {
			continue
		}
		b := vxlan(100, eth(broadcast, senderMAC, 0x88b5, []byte{bit}))
		b[bit/8] ^= 0x80 >> (bit % 8)
		list = append(list, b)
	}
	return list
}

// TestReservedBitsRejected is vxlan_reserved (cases 31 to 33) and row I14 with the strict policy,
// which is the kernel's.
func TestReservedBitsRejected(t *testing.T) {
	t.Parallel()
	k, m := quietPair(t)
	n := join(m, segment{remotes: []string{"192.0.2.1"}})
	seen := m.sniff("vxm0", received(senderMAC))
	raw := k.rawSocket("192.0.2.1", "192.0.2.2:4789")
	list := mutants()
	if len(list) != 39 {
		t.Fatalf("%d mutants, want 39", len(list))
	}
	for _, b := range list {
		raw.send(b)
	}
	raw.send(vxlan(100, eth(broadcast, senderMAC, 0x88b5, []byte{64})))
	packets, err := seen.Wait(1, patience)
	need(t, err)
	if packets[0].Data[14] != 64 || len(packets) != 1 {
		t.Errorf("%d frames delivered, the first with bit %d set", len(packets), packets[0].Data[14])
	}
	if *nodeKind == "vxmesh" {
		n.waitDrops("reserved_bits", 39)
	}
}

// TestReservedBitsIgnored is the same with the policy of RFC 7348, section 5.
func TestReservedBitsIgnored(t *testing.T) {
	t.Parallel()
	vxmeshOnly(t)
	k, m := quietPair(t)
	n := join(m, segment{remotes: []string{"192.0.2.1"}, reserved: "ignore"})
	seen := m.sniff("vxm0", received(senderMAC))
	raw := k.rawSocket("192.0.2.1", "192.0.2.2:4789")
	list := mutants()
	for _, b := range list {
		raw.send(b)
	}
	packets, err := seen.Wait(len(list), patience)
	need(t, err)
	for i, p := range packets {
		if want := list[i][8+14]; p.Data[14] != want {
			t.Errorf("frame %d is of bit %d, want %d", i, p.Data[14], want)
		}
	}
	n.waitDrops("reserved_bits", 0)
}
