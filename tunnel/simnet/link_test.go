package simnet_test

import (
	"errors"
	"math/bits"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// many is enough datagrams to measure a probability to within two percent.
const many = 10000

// within reports whether n of all is near the part wanted.
func within(n, all int, part float64) bool {
	return float64(n) > (part-0.02)*float64(all) && float64(n) < (part+0.02)*float64(all)
}

func TestPerfectWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		want := numbered(many)
		if err := p.send(want...); err != nil {
			t.Fatal(err)
		}
		got := p.drain(time.Second)
		for i, d := range got {
			if d.data != want[i] || d.from != p.a.LocalAddr() || d.after != 0 {
				t.Fatalf("datagram %d is %+v, want %q at once", i, d, want[i])
			}
		}
		if len(got) != many {
			t.Errorf("%d datagrams arrived, want %d", len(got), many)
		}
		if c := p.link.Counts(p.ha); c != (simnet.Counts{Sent: many}) {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.Set(simnet.Conditions{Loss: 0.2})
		if err := p.send(numbered(many)...); err != nil {
			t.Fatal(err)
		}
		got := len(p.drain(time.Second))
		if !within(got, many, 0.8) {
			t.Errorf("%d of %d arrived with a loss of 0.2", got, many)
		}
		if c := p.link.Counts(p.ha); c.Lost != uint64(many-got) || c.Sent != many {
			t.Errorf("%d arrived, but counts are %+v", got, c)
		}
	})
}

func TestDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.Set(simnet.Conditions{Duplicate: 0.3})
		if err := p.send(numbered(many)...); err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, d := range p.drain(time.Second) {
			seen[d.data]++
		}
		twice := 0
		for data, n := range seen {
			if n == 2 {
				twice++
			} else if n != 1 {
				t.Fatalf("%q came %d times", data, n)
			}
		}
		if len(seen) != many || !within(twice, many, 0.3) {
			t.Errorf("%d of %d datagrams came, %d twice", len(seen), many, twice)
		}
		if c := p.link.Counts(p.ha); c.Duplicated != uint64(twice) {
			t.Errorf("%d came twice, but counts are %+v", twice, c)
		}
	})
}

// difference is in how many bits two strings of one length differ.
func difference(a, b string) (n int) {
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

func TestCorrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.Set(simnet.Conditions{Corrupt: 0.5, Duplicate: 0.1})
		want := strings.Repeat("x", 100)
		if err := p.send(slices.Repeat([]string{want}, many)...); err != nil {
			t.Fatal(err)
		}
		var spoiled [4]int
		for _, d := range p.drain(time.Second) {
			flipped := difference(d.data, want)
			if flipped > 3 {
				t.Fatalf("%d bits flipped", flipped)
			}
			spoiled[flipped]++
		}
		all := spoiled[1] + spoiled[2] + spoiled[3]
		if !within(all, many, 0.5) {
			t.Errorf("%d of %d spoiled", all, many)
		}
		if !within(spoiled[1], all, 1./3) || !within(spoiled[3], all, 1./3) {
			t.Errorf("datagrams with 0 to 3 bits flipped: %v", spoiled)
		}
		if c := p.link.Counts(p.ha); c.Corrupted != uint64(all) {
			t.Errorf("%d spoiled, but counts are %+v", all, c)
		}
	})
}

// TestCorruptNothing: a datagram without bits has none to flip.
func TestCorruptNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.Set(simnet.Conditions{Corrupt: 1})
		if err := p.send("", ""); err != nil {
			t.Fatal(err)
		}
		if got := p.drain(time.Second); len(got) != 2 || got[0].data != "" {
			t.Errorf("received %v", got)
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.SetFrom(p.ha, simnet.Conditions{Delay: 30 * time.Millisecond})
		want := numbered(100)
		if err := p.send(want...); err != nil {
			t.Fatal(err)
		}
		for i, d := range p.drain(time.Second) {
			if d.after != 30*time.Millisecond || d.data != want[i] {
				t.Fatalf("datagram %d is %+v, want %q after 30 ms", i, d, want[i])
			}
		}
		r := p.a.NewReader()
		if err := write(p.b, p.a.LocalAddr(), "back"); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, p.a, r, time.Second); len(got) != 1 || got[0].after != 0 {
			t.Errorf("received %+v, want one at once in the other direction", got)
		}
	})
}

func TestJitterReorders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.Set(simnet.Conditions{
			Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond,
		})
		if err := p.send(numbered(many)...); err != nil {
			t.Fatal(err)
		}
		got := p.drain(time.Second)
		overtaken := 0
		for i, d := range got {
			if d.after < 10*time.Millisecond || d.after > 15*time.Millisecond {
				t.Fatalf("%q took %v", d.data, d.after)
			}
			if i > 0 && d.data < got[i-1].data {
				overtaken++
			}
		}
		if len(got) != many || !within(overtaken, many, 0.5) {
			t.Errorf("%d of %d arrived, %d overtaken", len(got), many, overtaken)
		}
	})
}

// TestMTU: a router on the way says nothing.
func TestMTU(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { checkMTU(newPair(t, 1), 28) })
	})
	t.Run("IPv6", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { checkMTU(newPairAt(t, 1, addrA6, addrB6), 48) })
	})
}

func checkMTU(p *pair, header int) {
	p.t.Helper()
	p.link.Set(simnet.Conditions{MTU: 1400})
	fits := strings.Repeat("x", 1400-header)
	if err := p.send(fits, fits+"x"); err != nil {
		p.t.Errorf("a packet that a router drops is refused: %v", err)
	}
	if got := p.drain(time.Second); len(got) != 1 || got[0].data != fits {
		p.t.Errorf("%d datagrams arrived, want the one that fits", len(got))
	}
	if c := p.link.Counts(p.ha); c.TooBig != 1 || c.Lost != 1 {
		p.t.Errorf("counts %+v", c)
	}
	// In fragments it passes.
	m := []udp.Message{{To: p.toB, Data: []byte(fits + "x")}}
	p.a.Write(m, udp.Mode{})
	if got := p.drain(time.Second); len(got) != 1 || m[0].Failed != 0 {
		p.t.Errorf("%d datagrams arrived in fragments, error %v", len(got), m[0].Err)
	}
}

// TestRefuses: the sender's system has learned the MTU of the path.
func TestRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.Set(simnet.Conditions{MTU: 1400, Refuses: true})
		err := p.send(strings.Repeat("x", 1372), strings.Repeat("x", 1373))
		if !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("error %v, want EMSGSIZE", err)
		}
		if got := p.drain(time.Second); len(got) != 1 {
			t.Errorf("%d datagrams arrived, want the one that fits", len(got))
		}
	})
}

func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		for _, down := range []bool{false, true, false} {
			p.link.Set(simnet.Conditions{Down: down})
			if err := p.send("x"); err != nil {
				t.Fatal(err)
			}
			if got := p.drain(time.Second); (len(got) == 0) != down {
				t.Errorf("down %t: %d datagrams arrived", down, len(got))
			}
		}
	})
}

// TestDownOneWay: the other direction goes on.
func TestDownOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.SetFrom(p.hb, simnet.Conditions{Down: true})
		if err := errors.Join(p.send("there"), write(p.b, p.a.LocalAddr(), "back")); err != nil {
			t.Fatal(err)
		}
		if got := p.drain(time.Second); len(got) != 1 {
			t.Errorf("%d datagrams arrived there, want 1", len(got))
		}
		if got := drain(t, p.a, p.a.NewReader(), time.Second); len(got) != 0 {
			t.Errorf("%d datagrams came back, want none", len(got))
		}
	})
}

// TestSeed: all chance comes from the seed, whatever other hosts do.
func TestSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := chance(t, 7, false)
		if !slices.Equal(first, chance(t, 7, true)) {
			t.Error("the same seed gives something else")
		}
		if slices.Equal(first, chance(t, 8, false)) {
			t.Error("another seed gives the same")
		}
	})
}

// chance is what arrives of a thousand datagrams under bad conditions, perhaps while the other host
// sends as well.
func chance(t *testing.T, seed uint64, noise bool) []received {
	t.Helper()
	p := newPair(t, seed)
	p.link.Set(simnet.Conditions{
		Loss: 0.1, Duplicate: 0.1, Corrupt: 0.1, Jitter: time.Millisecond,
	})
	for _, d := range numbered(1000) {
		if noise {
			if err := write(p.b, p.a.LocalAddr(), "noise"); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.send(d); err != nil {
			t.Fatal(err)
		}
	}
	return p.drain(time.Second)
}
