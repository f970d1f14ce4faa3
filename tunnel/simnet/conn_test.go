package simnet_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

func TestListen(t *testing.T) {
	t.Parallel()
	i := simnet.New(1)
	defer i.Close()
	h := i.Host(addrA, addrA6)
	other := i.Host(addrB)
	for _, c := range []struct {
		h     *simnet.Host
		local string
		want  error
	}{
		{h, "192.0.2.1:1000", nil},
		{h, "192.0.2.1:1000", syscall.EADDRINUSE},
		{h, "0.0.0.0:1000", syscall.EADDRINUSE},
		{h, "[::]:1000", nil}, // the other family has ports of its own
		{h, "[2001:db8::1]:1000", syscall.EADDRINUSE},
		{h, "0.0.0.0:1001", nil},
		{h, "192.0.2.1:1001", syscall.EADDRINUSE},
		{h, "192.0.2.9:1002", syscall.EADDRNOTAVAIL},
		{h, "198.51.100.2:1002", syscall.EADDRNOTAVAIL},
		{other, "0.0.0.0:1000", nil}, // and so has another host
	} {
		conn, err := c.h.Listen(netip.MustParseAddrPort(c.local), udp.Options{})
		if !errors.Is(err, c.want) || (conn == nil) != (c.want != nil) {
			t.Errorf("listen on %s gives %v, want %v", c.local, err, c.want)
		}
	}
}

// TestPortZero takes free ports, and one that was closed is free again.
func TestPortZero(t *testing.T) {
	t.Parallel()
	i := simnet.New(1)
	defer i.Close()
	h := i.Host(addrA)
	taken := listen(t, h, netip.AddrPortFrom(addrA, 49153), udp.Options{})
	seen := map[uint16]bool{49153: true}
	for range 100 {
		c := listen(t, h, netip.MustParseAddrPort("0.0.0.0:0"), udp.Options{})
		port := c.LocalAddr().Port()
		if port < 49152 || seen[port] {
			t.Fatalf("port %d given out", port)
		}
		seen[port] = true
	}
	if err := taken.Close(); err != nil {
		t.Error(err)
	}
	if err := taken.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing twice gives %v", err)
	}
	listen(t, h, netip.AddrPortFrom(addrA, 49153), udp.Options{})
}

// TestSegments: each segment of a message is a datagram of its own.
func TestSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.hb.SetMerge(false)
		msgs := []udp.Message{
			{To: p.toB, Data: []byte("aabbccd"), SegmentSize: 2, TOS: 0xb8},
			{To: p.toB, Data: []byte("single"), TOS: 3},
		}
		p.a.Write(msgs, udp.Mode{DF: true})
		if err := p.b.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		batch, err := p.reader.Read(true)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range batch {
			got = append(got, fmt.Sprintf("%s %02x %d", d.Data, d.TOS, d.SegmentSize))
		}
		want := []string{"aa b8 0", "bb b8 0", "cc b8 0", "d b8 0", "single 03 0"}
		if !slices.Equal(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
	})
}

// TestMerge: what waits and belongs together comes as one message, as from UDP GRO.
func TestMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		other := listen(t, p.ha, netip.AddrPortFrom(addrA, 0), udp.Options{})
		err := errors.Join(p.send("aa", "bb", "c", "dd", "eee", "ff", "", "gg"),
			write(other, p.toB, "hh"))
		if err != nil {
			t.Fatal(err)
		}
		msg := []udp.Message{{To: p.toB, Data: []byte("ii"), TOS: 1}}
		other.Write(msg, udp.Mode{})
		batch, err := p.reader.Read(true)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range batch {
			got = append(got, fmt.Sprintf("%s/%d", d.Data, d.SegmentSize))
		}
		want := []string{"aabbc/2", "dd/0", "eeeff/3", "/0", "gg/0", "hh/0", "ii/0"}
		if !slices.Equal(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
	})
}

// TestMergeLimits: no message has more than 64 segments or 65507 bytes.
func TestMergeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.ha.SetMTU(65535)
		big := strings.Repeat("x", 9000)
		all := append(numbered(100), slices.Repeat([]string{big}, 20)...)
		if err := p.send(all...); err != nil {
			t.Fatal(err)
		}
		batch, err := p.reader.Read(true)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, d := range batch {
			got = append(got, len(d.Data))
		}
		want := []int{64 * 6, 36 * 6, 7 * 9000, 7 * 9000, 6 * 9000}
		if !slices.Equal(got, want) {
			t.Errorf("messages of %v bytes, want %v", got, want)
		}
	})
}

// TestRefused goes over what a system refuses at once.
func TestRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t, 1)
	df := udp.Mode{DF: true}
	to := func(addr string, n, segment int) udp.Message {
		return udp.Message{
			To: netip.MustParseAddrPort(addr), Data: make([]byte, n), SegmentSize: segment,
		}
	}
	b := p.toB.String()
	for _, c := range []struct {
		name string
		msg  udp.Message
		mode udp.Mode
		want int // datagrams refused
		err  error
	}{
		{"fits", to(b, 1472, 0), df, 0, nil},
		{"link", to(b, 1473, 0), df, 1, syscall.EMSGSIZE},
		{"fragments", to(b, 1473, 0), udp.Mode{}, 0, nil},
		{"UDP", to(b, 65508, 0), udp.Mode{}, 1, syscall.EMSGSIZE},
		{"segments of the link", to(b, 3000, 1473), df, 2, syscall.EMSGSIZE}, // the third is short
		{"65 segments", to(b, 65, 1), udp.Mode{}, 65, syscall.EINVAL},
		{"segments beyond UDP", to(b, 66000, 1400), udp.Mode{}, 48, syscall.EINVAL},
		{"nobody there", to("203.0.113.1:1", 1, 0), udp.Mode{}, 0, nil},
		{"nothing open", to("198.51.100.2:1", 1, 0), udp.Mode{}, 0, nil},
		{"own source", udp.Message{To: p.toB, From: addrA}, udp.Mode{}, 0, nil},
		{"foreign source", udp.Message{To: p.toB, From: addrB}, udp.Mode{}, 1, syscall.EINVAL},
	} {
		// What is refused must not keep back what follows.
		msgs := []udp.Message{c.msg, {To: p.toB}}
		p.a.Write(msgs, c.mode)
		if msgs[0].Failed != c.want || !errors.Is(msgs[0].Err, c.err) || msgs[1].Failed != 0 {
			t.Errorf("%s: %d refused, %v; want %d, %v; the next: %v",
				c.name, msgs[0].Failed, msgs[0].Err, c.want, c.err, msgs[1].Err)
		}
	}
}

// TestFamilies: a socket of one family has no way to say an address of the other.
func TestFamilies(t *testing.T) {
	t.Parallel()
	p := newPair(t, 1)
	msgs := []udp.Message{
		{To: netip.AddrPortFrom(addrB6, 1000)}, {To: p.toB, From: addrA6}, {To: p.toB},
	}
	p.a.Write(msgs, udp.Mode{})
	if msgs[0].Failed != 1 || msgs[1].Failed != 1 || msgs[2].Failed != 0 {
		t.Errorf("to IPv6: %v, from IPv6: %v, IPv4: %v", msgs[0].Err, msgs[1].Err, msgs[2].Err)
	}
}

// TestUnspecified: a socket bound to all addresses answers for each of its family.
func TestUnspecified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := simnet.New(1)
		defer i.Close()
		second := netip.MustParseAddr("192.0.2.7")
		h, other := i.Host(addrA, addrA6, second), i.Host(addrB, addrB6)
		c := listen(t, h, netip.MustParseAddrPort("0.0.0.0:1000"), udp.Options{})
		o := listen(t, other, netip.MustParseAddrPort("0.0.0.0:1000"), udp.Options{})
		for _, a := range []netip.Addr{addrA, second} {
			if err := write(o, netip.AddrPortFrom(a, 1000), "x"); err != nil {
				t.Error(err)
			}
		}
		if got := drain(t, c, c.NewReader(), time.Second); len(got) != 2 {
			t.Errorf("%d datagrams arrived, want 2", len(got))
		}
		msgs := []udp.Message{
			{To: o.LocalAddr()},
			{To: netip.AddrPortFrom(addrB, 1000)},
			{To: netip.AddrPortFrom(addrB, 1000), From: second},
		}
		c.Write(msgs, udp.Mode{})
		got := drain(t, o, o.NewReader(), time.Second)
		if len(got) != 2 || got[0].from.Addr() != addrA || got[1].from.Addr() != second {
			t.Errorf("received %+v, want one from each address", got)
		}
	})
}

// TestSetAddr: a host moves while datagrams are on their way.
func TestSetAddr(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := simnet.New(1)
		defer i.Close()
		h, other := i.Host(addrA), i.Host(addrB)
		all := listen(t, h, netip.MustParseAddrPort("0.0.0.0:1000"), udp.Options{})
		bound := listen(t, h, netip.AddrPortFrom(addrA, 1001), udp.Options{})
		o := listen(t, other, netip.AddrPortFrom(addrB, 1000), udp.Options{})
		i.Link(h, other).Set(simnet.Conditions{Delay: 10 * time.Millisecond})

		moved := netip.MustParseAddr("203.0.113.5")
		if err := write(o, netip.AddrPortFrom(addrA, 1000), "too late"); err != nil {
			t.Fatal(err)
		}
		h.SetAddr(addrA, moved)
		if err := write(o, netip.AddrPortFrom(moved, 1000), "there"); err != nil {
			t.Fatal(err)
		}
		got := drain(t, all, all.NewReader(), time.Second)
		if len(got) != 1 || got[0].data != "there" {
			t.Errorf("received %+v, want what was sent to the new address", got)
		}
		if err := write(all, o.LocalAddr(), "x"); err != nil {
			t.Error(err)
		}
		got = drain(t, o, o.NewReader(), time.Second)
		if len(got) != 1 || got[0].from.Addr() != moved {
			t.Errorf("received %+v, want one from %s", got, moved)
		}
		if err := write(bound, o.LocalAddr(), "x"); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("sending from an address that is gone gives %v", err)
		}
	})
}

// TestLost: what nobody reads is dropped when the buffer is full, and counted.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		const size, room = 100, 256 + 100
		free := netip.AddrPortFrom(addrB, 0)
		small := listen(t, p.hb, free, udp.Options{Buffer: 10 * room})
		all := slices.Repeat([]string{strings.Repeat("x", size)}, 15)
		if err := write(p.a, small.LocalAddr(), all...); err != nil {
			t.Fatal(err)
		}
		got := len(drain(t, small, small.NewReader(), time.Second))
		if got != 10 || small.Lost() != 5 {
			t.Errorf("%d arrived, %d lost; want 10 and 5", got, small.Lost())
		}
		if err := write(p.a, small.LocalAddr(), "again"); err != nil {
			t.Fatal(err)
		}
		if got := len(drain(t, small, small.NewReader(), time.Second)); got != 1 {
			t.Errorf("%d arrived after the buffer was read, want 1", got)
		}
		deaf := listen(t, p.hb, free, udp.Options{SendOnly: true, Buffer: 1 << 20})
		if err := write(p.a, deaf.LocalAddr(), "x"); err != nil {
			t.Fatal(err)
		}
		if deaf.Lost() != 1 {
			t.Errorf("a socket that only sends lost %d, want 1", deaf.Lost())
		}
	})
}

// TestBorrowed: what Read returned does not survive the next Read.
func TestBorrowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		if err := p.send("first"); err != nil {
			t.Fatal(err)
		}
		batch, err := p.reader.Read(true)
		if err != nil || string(batch[0].Data) != "first" {
			t.Fatal(batch, err)
		}
		kept := batch[0].Data
		p.drain(time.Second)
		if string(kept) == "first" {
			t.Error("the bytes of the last Read are still there")
		}
	})
}

func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		start := time.Now()
		if got := p.drain(3 * time.Second); len(got) != 0 || time.Since(start) != 3*time.Second {
			t.Errorf("%d datagrams after %v, want none after 3 s", len(got), time.Since(start))
		}
		// A deadline that has passed, and one that is moved while a Read waits.
		if _, err := p.reader.Read(true); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading after the deadline gives %v", err)
		}
		if err := p.b.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			_, err := p.reader.Read(true)
			done <- err
		}()
		synctest.Wait()
		if err := p.b.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a Read that waited gives %v", err)
		}
	})
}

// TestClose wakes a Read, and a Write after it says why it does nothing.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		for _, end := range []struct {
			c     udp.Conn
			close func()
		}{{p.a, func() { p.a.Close() }}, {p.b, p.net.Close}} {
			done := make(chan error)
			go func() {
				_, err := end.c.NewReader().Read(true)
				done <- err
			}()
			synctest.Wait()
			end.close()
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("a Read that waited gives %v", err)
			}
			if err := write(end.c, p.toB, "x"); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a Write after the end gives %v", err)
			}
			if err := end.c.SetReadDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a deadline after the end gives %v", err)
			}
		}
	})
}

// TestCloseWithDatagramsOnTheWay leaves no timer behind that would deliver them.
func TestCloseWithDatagramsOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.Set(simnet.Conditions{Delay: time.Second})
		if err := p.send("x"); err != nil {
			t.Fatal(err)
		}
		p.net.Close()
		again := listen(t, p.hb, p.toB, udp.Options{})
		if got := drain(t, again, again.NewReader(), time.Minute); len(got) != 0 {
			t.Errorf("%d datagrams arrived after the end", len(got))
		}
		again.Close()
	})
}

func TestTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, 1)
		p.link.SetFrom(p.hb, simnet.Conditions{Down: true})
		var seen []string
		p.net.Tap(func(from, to netip.AddrPort, datagram []byte) bool {
			seen = append(seen, fmt.Sprintf("%s > %s", from.Addr(), to.Addr()))
			switch string(datagram) {
			case "change":
				datagram[0] = 'C'
			case "forge":
				p.net.Inject(netip.AddrPortFrom(addrA6, 9), to, []byte("forged"))
			case "drop":
				return false
			}
			return true
		})
		if err := errors.Join(p.send("drop", "change", "forge"),
			write(p.b, p.a.LocalAddr(), "seen though the link is down")); err != nil {
			t.Fatal(err)
		}
		p.net.Tap(nil)
		if err := p.send("drop"); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range p.drain(time.Second) {
			got = append(got, d.data)
		}
		if want := []string{"Change", "forged", "forge", "drop"}; !slices.Equal(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
		there, back := "192.0.2.1 > 198.51.100.2", "198.51.100.2 > 192.0.2.1"
		if want := []string{there, there, there, back}; !slices.Equal(seen, want) {
			t.Errorf("seen %q, want %q", seen, want)
		}
	})
}

func TestTwoHostsOneAddress(t *testing.T) {
	t.Parallel()
	i := simnet.New(1)
	h := i.Host(addrA)
	i.Host(addrB)
	for name, f := range map[string]func(){
		"a second host":         func() { i.Host(netip.AddrFrom16(addrA.As16())) },
		"moving onto a host":    func() { h.SetAddr(addrA, addrB) },
		"moving from elsewhere": func() { h.SetAddr(addrB, addrA6) },
		"a link of others":      func() { i.Link(h, h).Counts(i.Host(addrB6)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// TestRealClock: it works outside a bubble as well, with many goroutines at once.
func TestRealClock(t *testing.T) {
	t.Parallel()
	const writers, each = 8, 500
	p := newPair(t, 1)
	p.link.Set(simnet.Conditions{
		Delay: time.Millisecond, Jitter: 2 * time.Millisecond, Duplicate: 0.1,
	})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for _, d := range numbered(each) {
				if err := p.send(d); err != nil {
					t.Error(err)
				}
			}
		})
	}
	got, want := 0, writers*each
	late := time.AfterFunc(30*time.Second, func() { p.b.Close() })
	defer late.Stop()
	wg.Wait()
	want += int(p.link.Counts(p.ha).Duplicated)
	for got < want {
		batch, err := p.reader.Read(true)
		if err != nil {
			t.Fatalf("%v after %d of %d datagrams", err, got, want)
		}
		for _, d := range batch {
			got += len(split(d))
		}
	}
	if p.b.Lost() != 0 || got != want {
		t.Errorf("%d datagrams arrived, %d lost; want %d", got, p.b.Lost(), want)
	}
}
