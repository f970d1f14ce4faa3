package oui

// These tests are the same on every system. They run on one, because the table to compare with takes
// long to compile.

import (
	"bytes"
	"compress/gzip"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gopacket/gopacket/macs"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/ui/oui/internal/pack"
)

func TestVendor(t *testing.T) {
	for mac, want := range map[string]string{
		"00:00:0c:01:02:03": "Cisco",
		"00:1b:21:aa:bb:cc": "Intel",
		"b8:27:eb:12:34:56": "Raspberry Pi",
		"00:50:56:00:00:01": "VMware",
		"00:0c:29:ff:ff:ff": "VMware",
		"08:00:27:00:00:00": "VirtualBox",
		"0a:00:27:00:00:00": "VirtualBox",
		"00:15:5d:01:02:03": "Hyper-V",
		"00:16:3e:01:02:03": "Xen",
		"bc:24:11:01:02:03": "Proxmox",
		"52:54:00:12:34:56": "QEMU/KVM",
		"52:54:01:12:34:56": "",
		"02:42:ac:11:00:02": "Docker",
		"02:43:ac:11:00:02": "",
		"02:60:8c:01:02:03": "", // 3Com, from before there was a bit for local addresses
		"fe:12:34:56:78:9a": "",
		"33:33:00:00:00:01": "",
		"01:00:5e:00:00:01": "",
		"01:00:0c:cc:cc:cc": "", // a group of Cisco's protocols, sent by anybody
		"11:11:11:00:00:00": "",
		"ff:ff:ff:ff:ff:ff": "",
		"00:01:01:00:00:00": "", // registered as private
	} {
		m, err := ether.ParseMAC(mac)
		if err != nil {
			t.Fatal(err)
		}
		if got := Vendor(m); got != want {
			t.Errorf("%s: %q, want %q", mac, got, want)
		}
	}
}

// TestRegister looks every entry up, and the prefixes beside it, which mostly have none.
func TestRegister(t *testing.T) {
	short := map[string]string{} // the register has each name twice on average
	want := map[uint32]string{}
	for p, full := range macs.ValidMACPrefixMap {
		if _, ok := short[full]; !ok {
			short[full] = pack.Shorten(full)
		}
		if p[0]&(groupBit|localBit) == 0 && short[full] != "" {
			want[prefix(ether.MAC{p[0], p[1], p[2]})] = short[full]
		}
	}
	got := vendors()
	if len(got.prefixes) != len(want) || len(want) < 37000 {
		t.Errorf("%d entries, want %d: run go generate", len(got.prefixes), len(want))
	}
	for p := range want {
		for _, p := range []uint32{p - 1, p, p + 1} {
			if name := got.find(p); name != want[p] {
				t.Fatalf("%06x: %q, want %q: run go generate", p, name, want[p])
			}
		}
	}
}

func TestNamesFit(t *testing.T) {
	got := vendors()
	for _, p := range got.prefixes {
		name := got.find(p)
		if name == "" || utf8.RuneCountInString(name) > NameLen {
			t.Errorf("%06x: %q does not fit", p, name)
		}
		for _, r := range name {
			if !unicode.IsPrint(r) {
				t.Errorf("%06x: %q has %q", p, name, r)
			}
		}
	}
}

func TestEmbeddedIsSmall(t *testing.T) {
	if len(packed) > 350<<10 {
		t.Errorf("%d bytes", len(packed))
	}
}

func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := Vendor(ether.MAC{0, 0, 0x0c}); got != "Cisco" {
				t.Errorf("%q", got)
			}
		})
	}
	wg.Wait()
}

var small = map[[3]byte]string{
	{0, 0, 1}: "One", {0, 0, 2}: "Two", {0, 1, 0}: "One", {0xfc, 0xff, 0xff}: "Last",
	{1, 0, 0}: "A group", {2, 0, 0}: "Local", {0, 0, 9}: "Private",
}

func TestDecode(t *testing.T) {
	got, err := decode(pack.Table(small))
	if err != nil {
		t.Fatal(err)
	}
	if want := []uint32{1, 2, 0x100, 0xfcffff}; !slices.Equal(got.prefixes, want) {
		t.Errorf("prefixes %x, want %x", got.prefixes, want)
	}
	if got.text != "One\nTwo\nLast\n" {
		t.Errorf("text %q", got.text)
	}
	for p, want := range map[uint32]string{0: "", 1: "One", 2: "Two", 3: "", 0x100: "One", 0xfcffff: "Last"} {
		if name := got.find(p); name != want {
			t.Errorf("%06x: %q, want %q", p, name, want)
		}
	}
	if empty, err := decode(pack.Table(nil)); err != nil || empty.find(1) != "" {
		t.Errorf("an empty register: %v, %v", empty, err)
	}
}

// TestDecodeDamaged changes every byte: nothing may panic, and what decodes has not changed.
func TestDecodeDamaged(t *testing.T) {
	good := pack.Table(small)
	want, _ := decode(good)
	for i := range good {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= bit
			if got, err := decode(bad); err == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("byte %d: %v", i, got)
			}
		}
		if _, err := decode(good[:i]); !errors.Is(err, errTable) {
			t.Errorf("%d bytes of it: %v", i, err)
		}
	}
}

// TestDecodeNonsense has the checksum right and the numbers wrong.
func TestDecodeNonsense(t *testing.T) {
	for what, raw := range map[string]string{
		"nothing":                     "",
		"fewer entries than it says":  "\x02\x01\x05",
		"more entries than bytes":     "\xff\xff\x03\x01\x05\x00A\n",
		"a prefix of 25 bits":         "\x01\x01\x80\x80\x80\x08\x00A\n",
		"prefixes that wrap around":   "\x02\x01\xff\xff\xff\x07\x02\x00\x01A\n",
		"a name that is yet to come":  "\x01\x01\x05\x07A\n",
		"a name that nobody uses":     "\x01\x02\x05\x00A\nB\n",
		"a name without text":         "\x02\x02\x05\x01\x00\x00A\n",
		"text without a name":         "\x01\x01\x05\x00A\nB\n",
		"text that does not end":      "\x01\x01\x05\x00A\nB",
		"a number that does not end":  "\x01\x01\x05\x80",
		"a number of more than 64bit": "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01",
	} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(raw))
		_ = z.Close()
		if got, err := decode(b.Bytes()); !errors.Is(err, errTable) {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(packed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVendor(b *testing.B) {
	m := ether.MAC{0xb8, 0x27, 0xeb, 1, 2, 3}
	b.ReportAllocs()
	for b.Loop() {
		Vendor(m)
	}
}
