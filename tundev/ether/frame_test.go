package ether_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// unhex reads bytes written as in a packet, with spaces between the fields.
func unhex(t testing.TB, s string) ether.Frame {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// addresses are the first 12 bytes of every frame here.
const addresses = "ffffffffffff 5254001a2201 "

func TestFrameAddresses(t *testing.T) {
	f := unhex(t, addresses+"0806")
	if f.Dst() != ether.Broadcast || f.Src() != (ether.MAC{0x52, 0x54, 0x00, 0x1a, 0x22, 0x01}) {
		t.Errorf("%s -> %s", f.Src(), f.Dst())
	}
	if !f.Valid() || f[:13].Valid() || ether.Frame(nil).Valid() {
		t.Error("14 bytes are a frame, 13 are not")
	}
}

func TestFrameTags(t *testing.T) {
	for _, c := range []struct {
		name      string
		frame     string
		vlan      uint16
		etherType uint16
		offset    int
	}{
		{"untagged", "0800 45", 0, 0x0800, 14},
		{"nothing behind the header", "0800", 0, 0x0800, 14},
		{"length field", "0026 4242", 0, 0x0026, 14},
		{"VLAN 5", "8100 0005 0800", 5, 0x0800, 18},
		{"VLAN 4094 with priority 7 and DEI", "8100 fffe 86dd", 4094, 0x86dd, 18},
		{"priority only", "8100 e000 0806", 0, 0x0806, 18},
		{"service tag", "88a8 0064 0800", 100, 0x0800, 18},
		{"Q-in-Q", "88a8 0064 8100 0005 86dd", 100, 0x86dd, 22},
		{"two customer tags", "8100 0001 8100 0002 0800", 1, 0x0800, 22},
		{"three tags: the third is payload", "88a8 0001 8100 0002 8100 0003 0800", 1, 0x8100, 22},
		{"a tag cut short", "8100 0005", 0, 0x8100, 14},
		{"a tag cut to nothing", "8100", 0, 0x8100, 14},
		{"a second tag cut short", "88a8 0064 8100 0005", 100, 0x8100, 18},
	} {
		f := unhex(t, addresses+c.frame)
		etherType, offset := f.Payload()
		if f.VLAN() != c.vlan || etherType != c.etherType || offset != c.offset {
			t.Errorf("%s: VLAN %d, type %#04x at %d", c.name, f.VLAN(), etherType, offset)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	f := unhex(t, addresses+"8100 0005 0800"+
		"4500001c 00004000 40110000 c0000201 c6336402"+"0001 12b5 0008 0000")
	var m ether.MAC
	allocs := testing.AllocsPerRun(100, func() {
		m = f.Src()
		_ = m.IsMulticast() || f.Dst().IsZero() || f.VLAN() == 0 || !f.Valid()
		ip, _ := ether.ParseIP(f)
		ip.SetTOS(f, 3)
		_ = ether.Sum(f[18:]) + ip.PseudoSum(f, ip.Proto, 8)
		_ = ether.MACFromUint64(m.Uint64())
	})
	if allocs != 0 {
		t.Errorf("%v allocations per frame", allocs)
	}
}
