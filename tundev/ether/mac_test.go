package ether_test

import (
	"encoding/json"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

func TestParseMAC(t *testing.T) {
	want := ether.MAC{0x52, 0x54, 0x00, 0x1a, 0x22, 0x01}
	for _, s := range []string{"52:54:00:1a:22:01", "52-54-00-1a-22-01", "52:54:00:1A:22:01"} {
		if got, err := ether.ParseMAC(s); err != nil || got != want {
			t.Errorf("ParseMAC(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "52", "52:54:00:1a:22", "52:54:00:1a:22:0", "52:54:00:1a:22:011", "52:54:00:1a:22:01:02",
		"5254.001a.2201", "52:54-00:1a-22:01", "52.54.00.1a.22.01", "525:4:00:1a:22:01",
		"g2:54:00:1a:22:01", "52:54:00:1a:22:0g", " 2:54:00:1a:22:01", "+2:54:00:1a:22:01",
		"52:54:00:1a:22:01\n", "５２:54:00:1a:22",
	} {
		if got, err := ether.ParseMAC(s); err == nil || !got.IsZero() {
			t.Errorf("ParseMAC(%q) = %v, %v; want an error and nothing", s, got, err)
		}
	}
}

func TestMACTextRoundTrip(t *testing.T) {
	for _, s := range []string{"52:54:00:1a:22:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"} {
		m, err := ether.ParseMAC(s)
		if err != nil {
			t.Fatal(err)
		}
		if m.String() != s {
			t.Errorf("String() = %q, want %q", m, s)
		}
		encoded, err := json.Marshal(m)
		if err != nil || string(encoded) != `"`+s+`"` {
			t.Errorf("json of %s = %s, %v", s, encoded, err)
		}
		var back ether.MAC
		if err := json.Unmarshal(encoded, &back); err != nil || back != m {
			t.Errorf("json of %s read back = %v, %v", s, back, err)
		}
	}
	m := ether.Broadcast
	if err := json.Unmarshal([]byte(`"no"`), &m); err == nil {
		t.Error(`"no" was read as a MAC address`)
	}
}

func TestMACKinds(t *testing.T) {
	for _, c := range []struct {
		mac             string
		multicast, zero bool
	}{
		{"52:54:00:1a:22:01", false, false},
		{"00:00:00:00:00:00", false, true},
		{"00:00:00:00:00:01", false, false},
		{"01:00:5e:00:00:01", true, false},
		{"33:33:00:00:00:01", true, false},
		{"ff:ff:ff:ff:ff:ff", true, false},
		{"fe:ff:ff:ff:ff:ff", false, false},
	} {
		m, err := ether.ParseMAC(c.mac)
		if err != nil {
			t.Fatal(err)
		}
		if m.IsMulticast() != c.multicast || m.IsZero() != c.zero {
			t.Errorf("%s: multicast %v, zero %v", m, m.IsMulticast(), m.IsZero())
		}
	}
}

func TestMACUint64(t *testing.T) {
	m := ether.MAC{1, 2, 3, 4, 5, 6}
	if got := m.Uint64(); got != 0x010203040506 {
		t.Errorf("Uint64() = %#x", got)
	}
	if got := ether.MACFromUint64(0xffff_010203040506); got != m {
		t.Errorf("MACFromUint64 = %v", got)
	}
}

func FuzzParseMAC(f *testing.F) {
	f.Add("52:54:00:1a:22:01")
	f.Add("52-54-00-1a-22-01")
	f.Add("::::::::::::::::::")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ether.ParseMAC(s)
		if err != nil {
			return
		}
		if back, err := ether.ParseMAC(m.String()); err != nil || back != m {
			t.Errorf("%q is %s, which is %v, %v", s, m, back, err)
		}
	})
}
