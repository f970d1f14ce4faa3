//go:build linux && lab

// What a sealed frame keeps, and what of it shows outside.
//
//	A vxm0 10.0.0.1, fd42::1                              B vxm0 10.0.0.2, fd42::2
//	  [u0] 192.0.2.1, 2001:db8::1 ===== sealed ===== 192.0.2.2, 2001:db8::2 [u0]

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// TestSealedFramesByteForByte: everything that Ethernet carries crosses as it is, in one piece and
// in several.
func TestSealedFramesByteForByte(t *testing.T) {
	t.Parallel()
	for _, mtu := range []int{1500, 576} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			t.Parallel()
			a, b := newSealedPair(t, v4)
			for _, n := range []*node{a, b} {
				n.run("ip link set dev u0 mtu %d", mtu)
				n.quiet() // the device to come
				n.segments[0].addresses = n.segments[0].addresses[:1]
				n.rewrite()
			}
			joinAll(a, b)
			byteForByte(t, [2]port{{a.host, "vxm0"}, {b.host, "vxm0"}})
		})
	}
}

// TestSealedECN: what is ECN-capable inside is so outside, and congestion that is met on the way is
// told inside (RFC 6040), whether a frame crosses in one datagram or in several.
func TestSealedECN(t *testing.T) {
	t.Parallel()
	const ect0, ce = 2, 3
	for _, size := range []int{100, 1472} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			a, b := newSealedPair(t, v4)
			for _, n := range []*node{a, b} {
				n.run("ip link set dev u0 mtu 1280")
			}
			joinAll(a, b)
			outside := b.sniff("u0", meshTOS(ect0))
			inside := b.sniff("vxm0", innerTOS(ce))
			ping := fmt.Sprintf("ping -n -q -c 1 -W 5 -Q %d -s %d 10.0.0.2", ect0, size)
			if _, err := a.Run(ping); err != nil {
				t.Error(err)
			}
			if _, err := outside.Wait(1, patience); err != nil {
				t.Errorf("ECT(0) inside is not so outside: %v", err)
			}
			if n := inside.Count(); n != 0 {
				t.Errorf("%d packets say congestion was met, and none was", n)
			}
			b.spoil("ip ecn set ce")
			eventually(t, func() error {
				_, err := a.Run(ping)
				if inside.Count() == 0 {
					err = errors.Join(err, errors.New("no packet says that congestion was met"))
				}
				return err
			})
			drops := b.meshDrops("ecn") + b.drops("ecn")
			if a.canPing("10.0.0.2") == nil || b.meshDrops("ecn")+b.drops("ecn") == drops {
				t.Error("what is not ECN-capable got through congestion that was marked")
			}
		})
	}
}

// meshTOS wants datagrams of the mesh with a TOS.
func meshTOS(tos byte) func(packet) bool {
	return func(p packet) bool {
		b := p.Data
		return innerTOS(tos)(p) && len(b) > 42 && b[23] == protoUDP &&
			binary.BigEndian.Uint16(b[36:]) == meshPort
	}
}

// innerTOS wants IPv4 packets with a TOS.
func innerTOS(tos byte) func(packet) bool {
	return func(p packet) bool {
		b := p.Data
		return !p.Out && len(b) > 34 && b[12] == 8 && b[13] == 0 && b[15] == tos
	}
}
