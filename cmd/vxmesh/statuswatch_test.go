package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// TestStatusRates: what flows takes two samples.
func TestStatusRates(t *testing.T) {
	var out bytes.Buffer
	w := statusWatch{out: &out}
	now, s := controltest.Start, controltest.Status()
	for range 2 {
		if err := w.show(s, now); err != nil {
			t.Fatal(err)
		}
		s = controltest.Status()
		s.Peers[0].RxBytes += 850_000
		s.Peers[0].TxBytes += 225_000
		now = now.Add(2 * time.Second)
	}
	first, second, _ := strings.Cut(out.String(), "\n\nhome")
	for text, want := range map[string]string{
		first:  "nas     direct  udp4  192.0.2.20:42420  0.40ms  0.0%  -   -   ",
		second: "nas     direct  udp4  192.0.2.20:42420  0.40ms  0.0%  3.4Mb/s  900kb/s  ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	s.PID++ // another process has begun to count
	if r := w.rates(s, now); len(r) != 0 {
		t.Errorf("%v", r)
	}
}

func TestBitRate(t *testing.T) {
	for bits, want := range map[float64]string{
		0: "0b/s", 999: "999b/s", 1000: "1.0kb/s", 9949: "9.9kb/s", 38e6: "38Mb/s", 412e6: "412Mb/s", 999.7e6: "1.0Gb/s", 2e12: "2.0Tb/s",
	} {
		if got := bitRate(bits); got != want {
			t.Errorf("%g: %s, want %s", bits, got, want)
		}
	}
}

// TestOver: nothing is wider or higher than the terminal, and nothing is cleared as a whole.
func TestOver(t *testing.T) {
	got := over("home   vni 4242\nnode\n", 6, 24)
	if got != "\x1b[Hhome  \x1b[K\nnode\x1b[K\n\x1b[J" {
		t.Errorf("%q", got)
	}
	if got := over("home\n", 0, 0); !strings.Contains(got, "home") {
		t.Errorf("on a terminal that does not know its size: %q", got)
	}
	got = over("1\n2\n3\n4\n5\n", 80, 4)
	if got != "\x1b[H1\x1b[K\n2\x1b[K\n... 3 lines more\x1b[K\n\x1b[J" {
		t.Errorf("%q", got)
	}
}
