package udp_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// loopbacks are the addresses every test runs on.
var loopbacks = map[string]netip.AddrPort{
	"IPv4": netip.MustParseAddrPort("127.0.0.1:0"),
	"IPv6": netip.MustParseAddrPort("[::1]:0"),
}

// listen opens a socket for the test.
func listen(t testing.TB, local netip.AddrPort, o udp.Options) *udp.Socket {
	t.Helper()
	s, err := udp.Listen(local, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A datagram is what was received, copied.
type datagram struct {
	data string
	from netip.AddrPort
	tos  uint8
}

// receive reads n datagrams, with merged ones taken apart. The socket is closed when they do not
// come.
func receive(t testing.TB, s *udp.Socket, r udp.Reader, n int) (got []datagram) {
	t.Helper()
	late := time.AfterFunc(10*time.Second, func() { s.Close() })
	defer late.Stop()
	for len(got) < n {
		batch, err := r.Read(true)
		if err != nil {
			t.Fatalf("%v after %d datagrams of %d", err, len(got), n)
		}
		for _, d := range batch {
			size := d.SegmentSize
			if size == 0 {
				size = len(d.Data)
			}
			for data := d.Data; len(data) > 0; data = data[min(size, len(data)):] {
				got = append(got, datagram{string(data[:min(size, len(data))]), d.From, d.TOS})
			}
		}
	}
	return got
}

// expect reads exactly the wanted datagrams, in order.
func expect(t testing.TB, s *udp.Socket, r udp.Reader, want ...string) {
	t.Helper()
	for i, d := range receive(t, s, r, len(want)) {
		if i >= len(want) || d.data != want[i] {
			t.Fatalf("datagram %d is %.40q of %d bytes", i, d.data, len(d.data))
		}
	}
}

func message(to *udp.Socket, data string) udp.Message {
	return udp.Message{To: to.LocalAddr(), Data: []byte(data), TTL: 64}
}

func TestRoundTrip(t *testing.T) {
	for name, local := range loopbacks {
		t.Run(name, func(t *testing.T) {
			a, b := listen(t, local, udp.Options{}), listen(t, local, udp.Options{})
			if a.LocalAddr().Port() == 0 || a.LocalAddr() == b.LocalAddr() || a.Is6() != local.Addr().Is6() {
				t.Fatalf("bound to %s and %s", a.LocalAddr(), b.LocalAddr())
			}
			ra, rb := a.NewReader(), b.NewReader()
			for i := range 3 {
				there, back := fmt.Sprint("there ", i), fmt.Sprint("back ", i)
				m := []udp.Message{message(b, there)}
				a.Write(m, udp.Mode{})
				if m[0].Failed != 0 || m[0].Err != nil {
					t.Fatal(m[0].Err)
				}
				got := receive(t, b, rb, 1)
				if got[0].data != there || got[0].from != a.LocalAddr() {
					t.Errorf("%q from %s", got[0].data, got[0].from)
				}
				b.Write([]udp.Message{message(a, back)}, udp.Mode{})
				expect(t, a, ra, back)
			}
		})
	}
}

// TestTrain sends messages of many segments: they arrive as the same datagrams, whether the kernel
// cut and merged them or not.
func TestTrain(t *testing.T) {
	for name, local := range loopbacks {
		for _, mode := range []udp.Mode{{}, {DF: true}, {NoChecksum: true}, {DF: true, NoChecksum: true}} {
			t.Run(fmt.Sprintf("%s %+v", name, mode), func(t *testing.T) {
				a, b := listen(t, local, udp.Options{}), listen(t, local, udp.Options{Buffer: 4 << 20})
				r := b.NewReader()
				for _, c := range []struct{ size, segments, last int }{
					{1000, udp.MaxSegments, 1000},
					{1000, udp.MaxSegments, 1},
					{1448, 45, 347},
					{1, udp.MaxSegments, 1},
					{500, 2, 500},
					{500, 1, 500},
					{32000, 2, 32000},
				} {
					var want []string
					for i := range c.segments {
						want = append(want, strings.Repeat(string(rune('0'+i)), c.size))
					}
					want[c.segments-1] = want[c.segments-1][:c.last]
					m := []udp.Message{message(b, strings.Join(want, ""))}
					m[0].SegmentSize = c.size
					if m[0].Datagrams() != c.segments {
						t.Fatalf("%d datagrams, want %d", m[0].Datagrams(), c.segments)
					}
					a.Write(m, mode)
					if m[0].Failed != 0 {
						t.Fatalf("%+v: %d failed: %v", c, m[0].Failed, m[0].Err)
					}
					expect(t, b, r, want...)
				}
			})
		}
	}
}

// TestManyMessages writes more than one system call takes.
func TestManyMessages(t *testing.T) {
	a := listen(t, loopbacks["IPv4"], udp.Options{SendOnly: true, Buffer: 1 << 20})
	b := listen(t, loopbacks["IPv4"], udp.Options{Buffer: 4 << 20})
	r := b.NewReader()
	var msgs []udp.Message
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprint("message ", i))
		msgs = append(msgs, message(b, want[i]))
	}
	a.Write(nil, udp.Mode{})
	a.Write(msgs, udp.Mode{})
	expect(t, b, r, want...)
}

// TestFailuresStayAlone puts messages that cannot be sent between others.
func TestFailuresStayAlone(t *testing.T) {
	for name, local := range loopbacks {
		t.Run(name, func(t *testing.T) {
			a, b := listen(t, local, udp.Options{}), listen(t, local, udp.Options{Buffer: 4 << 20})
			r := b.NewReader()
			other := netip.MustParseAddrPort("[2001:db8::1]:4789")
			if local.Addr().Is6() {
				other = netip.MustParseAddrPort("192.0.2.1:4789")
			}
			nowhere := netip.AddrPortFrom(local.Addr(), 0)
			bad := func(to netip.AddrPort, data string, size int) udp.Message {
				return udp.Message{To: to, Data: []byte(data), SegmentSize: size, TTL: 64}
			}
			for _, mode := range []udp.Mode{{}, {NoChecksum: true}} {
				msgs := []udp.Message{
					bad(other, "first", 0), message(b, "one"), bad(other, "middle", 0), bad(nowhere, "333", 1),
					message(b, "two"), bad(b.LocalAddr(), strings.Repeat("x", 65536), 0), message(b, "three"),
					bad(nowhere, "last", 0),
				}
				a.Write(msgs, mode)
				expect(t, b, r, "one", "two", "three")
				for i, want := range []int{1, 0, 1, 3, 0, 1, 0, 1} {
					m := &msgs[i]
					if m.Failed != want || (m.Err != nil) != (want > 0) {
						t.Errorf("message %d (%.8q to %s): %d failed, %v", i, m.Data, m.To, m.Failed, m.Err)
					}
				}
			}
		})
	}
}

// TestSourceOfOtherFamily refuses a source address that the datagram cannot have.
func TestSourceOfOtherFamily(t *testing.T) {
	for name, local := range loopbacks {
		a, b := listen(t, local, udp.Options{}), listen(t, local, udp.Options{})
		bad := message(b, "bad")
		bad.From = netip.MustParseAddr("2001:db8::1")
		if local.Addr().Is6() {
			bad.From = netip.MustParseAddr("192.0.2.1")
		}
		msgs := []udp.Message{bad, message(b, name)}
		a.Write(msgs, udp.Mode{})
		if msgs[0].Failed != 1 || msgs[1].Failed != 0 {
			t.Errorf("%s: %d and %d failed: %v", name, msgs[0].Failed, msgs[1].Failed, msgs[0].Err)
		}
		expect(t, b, b.NewReader(), name)
	}
}

// TestBothFamiliesOnOnePort has a socket for each family on the same port, on all addresses.
func TestBothFamiliesOnOnePort(t *testing.T) {
	four := listen(t, netip.MustParseAddrPort("0.0.0.0:0"), udp.Options{})
	port := four.LocalAddr().Port()
	six := listen(t, netip.AddrPortFrom(netip.IPv6Unspecified(), port), udp.Options{})
	if four.Is6() || !six.Is6() || six.LocalAddr().Port() != port {
		t.Fatalf("%s and %s", four.LocalAddr(), six.LocalAddr())
	}
	for to, s := range map[string]*udp.Socket{"127.0.0.1": four, "::1": six} {
		a := netip.AddrPortFrom(netip.MustParseAddr(to), port)
		msgs := []udp.Message{{To: a, Data: []byte(to), TTL: 1}}
		s.Write(msgs, udp.Mode{})
		got := receive(t, s, s.NewReader(), 1)
		if got[0].data != to || got[0].from != a {
			t.Errorf("%q from %s, failed: %v", got[0].data, got[0].from, msgs[0].Err)
		}
	}
}

func TestListenErrors(t *testing.T) {
	s := listen(t, loopbacks["IPv4"], udp.Options{})
	_, err := udp.Listen(s.LocalAddr(), udp.Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "listen on "+s.LocalAddr().String()+": ") ||
		strings.Count(err.Error(), s.LocalAddr().String()) != 1 {
		t.Errorf("a port in use: %v", err)
	}
	if _, err := udp.Listen(netip.MustParseAddrPort("192.0.2.1:0"), udp.Options{}); err == nil {
		t.Error("an address of somebody else was taken")
	}
}

// TestCloseWakesRead closes a socket that is being read from; Write then says so for every message.
func TestCloseWakesRead(t *testing.T) {
	for name, local := range loopbacks {
		s := listen(t, local, udp.Options{})
		r := s.NewReader()
		s.Write([]udp.Message{message(s, "before")}, udp.Mode{})
		receive(t, s, r, 1)
		done := make(chan error)
		go func() {
			_, err := r.Read(true)
			done <- err
		}()
		s.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: Read: %v", name, err)
		}
		msgs := []udp.Message{message(s, "one"), message(s, "three")}
		msgs[1].SegmentSize = 2
		for _, mode := range []udp.Mode{{}, {DF: true}} {
			msgs[0].Failed, msgs[1].Failed = 0, 0
			s.Write(msgs, mode)
			if msgs[0].Failed != 1 || msgs[1].Failed != 3 || !errors.Is(msgs[1].Err, net.ErrClosed) {
				t.Errorf("%s: Write: %+v", name, msgs)
			}
		}
	}
}

// TestManyWriters writes from several goroutines in different modes.
func TestManyWriters(t *testing.T) {
	a := listen(t, loopbacks["IPv4"], udp.Options{})
	b := listen(t, loopbacks["IPv4"], udp.Options{Buffer: 4 << 20})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 50 {
				m := message(b, strings.Repeat("x", 100))
				m.SegmentSize = 50
				a.Write([]udp.Message{m}, udp.Mode{DF: i%2 == 0})
			}
		})
	}
	wg.Wait()
	for _, d := range receive(t, b, b.NewReader(), 400) {
		if d.data != strings.Repeat("x", 50) {
			t.Fatalf("%q", d.data)
		}
	}
}

// TestJoinErrors has groups that cannot be joined.
func TestJoinErrors(t *testing.T) {
	ifi, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Fatal(err)
	}
	for group, index := range map[string]int{
		"192.0.2.1": ifi.Index, "2001:db8::1": ifi.Index, "239.1.1.42": 1 << 30,
	} {
		m, err := udp.Join(netip.MustParseAddr(group), index)
		if err == nil || !strings.Contains(err.Error(), "join group "+group) {
			t.Errorf("%s: %v", group, err)
		}
		if m != nil {
			m.Close()
		}
	}
}

func BenchmarkTrain(b *testing.B) {
	a := listen(b, loopbacks["IPv4"], udp.Options{Buffer: 4 << 20})
	to := listen(b, loopbacks["IPv4"], udp.Options{Buffer: 4 << 20})
	r := to.NewReader()
	m := []udp.Message{message(to, string(bytes.Repeat([]byte{1}, 44*1458)))}
	m[0].SegmentSize = 1458
	b.SetBytes(int64(len(m[0].Data)))
	b.ReportAllocs()
	for b.Loop() {
		a.Write(m, udp.Mode{})
		if _, err := r.Read(true); err != nil {
			b.Fatal(err)
		}
	}
}
