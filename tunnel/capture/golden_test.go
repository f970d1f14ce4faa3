package capture_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// golden is a whole file, laid out as draft-ietf-opsawg-pcapng draws its blocks: type and length,
// fixed fields, data, options, length again; little-endian but for what was captured.
const golden = `
0a0d0d0a 2c000000
	4d3c2b1a 0100 0000 ffffffffffffffff # byte order, version 1.0, length not known
	0400 0600 76786d657368 0000         # shb_userappl "vxmesh"
	0000 0000
	2c000000
01000000 2c000000
	0100 0000 00010000                  # ETHERNET, snaplen 256
	0200 0500 696e6e6572 000000         # if_name "inner"
	0900 0100 09 000000                 # if_tsresol 10^-9
	0000 0000
	2c000000
01000000 2c000000
	6500 0000 00010000                  # RAW
	0200 0500 6f75746572 000000         # "outer"
	0900 0100 09 000000
	0000 0000
	2c000000
01000000 2c000000
	0100 0000 00010000                  # ETHERNET
	0200 0700 64726f70706564 00         # "dropped"
	0900 0100 09 000000
	0000 0000
	2c000000
06000000 5c000000
	00000000 30e88618 154d4ccf          # inner, time: upper half, lower half
	13000000 13000000                   # captured, original length
	ffffffffffff 5254001a2201 88b5 696e6e6572 00
	0100 1700 766e693d34323432 20 6465636973696f6e3d666c6f6f64 00 # "vni=4242 decision=flood"
	0200 0400 01000000                  # epb_flags: inbound
	0000 0000
	5c000000
06000000 64000000
	01000000 30e88618 154d4ccf          # outer
	24000000 24000000
	45000024 00000000 40118e8d c6336401 c0000207 # IPv4
	c350 12b5 0010 0000                 # UDP
	08000000 00109200                   # VXLAN
	0100 0e00 64726f703d7472756e6361746564 0000 # "drop=truncated"
	0200 0400 02000000                  # outbound
	0000 0000
	64000000
05000000 34000000
	00000000 30e88618 154d4ccf          # statistics of inner
	0400 0800 0100000000000000          # isb_ifrecv 1
	0500 0800 0000000000000000          # isb_ifdrop 0
	0000 0000
	34000000
05000000 34000000
	01000000 30e88618 154d4ccf          # of outer
	0400 0800 0100000000000000
	0500 0800 0000000000000000
	0000 0000
	34000000
`

// layoutBytes reads hexadecimal digits, leaving out blanks and remarks.
func layoutBytes(t *testing.T, layout string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(layout) {
		code, _, _ := strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(code), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenFile(t *testing.T) {
	got := record(t, 256, func(tap *capture.Tap) {
		tap.Put(&capture.Packet{
			Point: capture.Inner, In: true, Time: noon, Data: frame, VNI: 4242, Decision: "flood",
		})
		tap.Put(&capture.Packet{
			Point: capture.Outer, Time: noon, Data: []byte("\x08\x00\x00\x00\x00\x10\x92\x00"),
			Src: here4, Dst: vtep4, Drop: drop.Truncated,
		})
	})
	if d := cmp.Diff(hex.Dump(layoutBytes(t, golden)), hex.Dump(got)); d != "" {
		t.Errorf("the file differs (-want +got):\n%s", d)
	}
}
