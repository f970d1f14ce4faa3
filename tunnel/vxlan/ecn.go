package vxlan

import (
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

const ecnMask = 3

// encapECN is the outer codepoint for an inner traffic class: RFC 3168, 9.1.1, full
// functionality, as the Linux driver does it. Congestion already marked inside is not marked
// outside again.
func encapECN(tos uint8) uint8 {
	if ecn := tos & ecnMask; ecn != ether.CE {
		return ecn
	}
	return ether.ECT0
}

// keepECN marks the cells of the decapsulation table that leave the inner packet as it is.
const keepECN = 0xff

// decapECN is the table of RFC 6040, 4.2: inner codepoint by outer codepoint.
var decapECN = [4][4]uint8{
	//             outer NotECT   ECT1        ECT0      CE
	ether.NotECT: {keepECN, keepECN, keepECN, keepECN}, // CE: dropped before the table is asked
	ether.ECT1:   {keepECN, keepECN, keepECN, ether.CE},
	ether.ECT0:   {keepECN, ether.ECT1, keepECN, ether.CE},
	ether.CE:     {keepECN, keepECN, keepECN, keepECN},
}

// Decap carries congestion marked on the way into the inner packet ip of frame, rewriting its
// traffic class where the table says so. A packet that cannot carry the mark is dropped: its
// sender would never learn of the congestion. Frames that are not IP carry no ECN.
func Decap(frame ether.Frame, ip ether.IP, outerTOS uint8) drop.Reason {
	if ip.Version == 0 {
		return drop.None
	}
	inner, outer := ip.TOS&ecnMask, outerTOS&ecnMask
	if inner == ether.NotECT && outer == ether.CE {
		return drop.ECN
	}
	if ecn := decapECN[inner][outer]; ecn != keepECN {
		ip.SetTOS(frame, ip.TOS&^ecnMask|ecn)
	}
	return drop.None
}
