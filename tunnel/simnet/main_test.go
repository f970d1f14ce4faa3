package simnet_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	addrA  = netip.MustParseAddr("192.0.2.1")
	addrB  = netip.MustParseAddr("198.51.100.2")
	addrA6 = netip.MustParseAddr("2001:db8::1")
	addrB6 = netip.MustParseAddr("2001:db8::2")
)

// A pair is two hosts with a socket each, for one family.
type pair struct {
	t      testing.TB
	net    *simnet.Internet
	ha, hb *simnet.Host
	a, b   udp.Conn
	reader udp.Reader // of b
	toB    netip.AddrPort
	link   *simnet.Link
}

func newPair(t testing.TB, seed uint64) *pair {
	t.Helper()
	return newPairAt(t, seed, addrA, addrB)
}

func newPairAt(t testing.TB, seed uint64, a, b netip.Addr) *pair {
	t.Helper()
	p := &pair{t: t, net: simnet.New(seed)}
	t.Cleanup(p.net.Close)
	p.ha, p.hb = p.net.Host(a), p.net.Host(b)
	p.link = p.net.Link(p.ha, p.hb)
	p.a = listen(t, p.ha, netip.AddrPortFrom(a, 0), udp.Options{})
	p.b = listen(t, p.hb, netip.AddrPortFrom(b, 1000), udp.Options{Buffer: 8 << 20})
	p.toB, p.reader = p.b.LocalAddr(), p.b.NewReader()
	return p
}

func listen(t testing.TB, h *simnet.Host, local netip.AddrPort, o udp.Options) udp.Conn {
	t.Helper()
	c, err := h.Listen(local, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// send sends datagrams from a to b, forbidding fragments, and gives the last error.
func (p *pair) send(datagrams ...string) error {
	return write(p.a, p.toB, datagrams...)
}

func write(c udp.Conn, to netip.AddrPort, datagrams ...string) error {
	msgs := make([]udp.Message, len(datagrams))
	for i, d := range datagrams {
		msgs[i] = udp.Message{To: to, Data: []byte(d)}
	}
	c.Write(msgs, udp.Mode{DF: true})
	var err error
	for _, m := range msgs {
		err = errors.Join(err, m.Err)
	}
	return err
}

// A received datagram, taken out of what it was merged into, and when it came.
type received struct {
	data  string
	tos   uint8
	from  netip.AddrPort
	after time.Duration
}

// drain reads what comes to b within a time.
func (p *pair) drain(d time.Duration) []received {
	p.t.Helper()
	return drain(p.t, p.b, p.reader, d)
}

func drain(t testing.TB, c udp.Conn, r udp.Reader, d time.Duration) (got []received) {
	t.Helper()
	start := time.Now()
	if err := c.SetReadDeadline(start.Add(d)); err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := r.Read(true)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, dg := range batch {
			for _, data := range split(dg) {
				got = append(got, received{string(data), dg.TOS, dg.From, time.Since(start)})
			}
		}
	}
}

func split(d udp.Datagram) (all [][]byte) {
	if d.SegmentSize == 0 {
		return [][]byte{d.Data}
	}
	for data := d.Data; len(data) > 0; {
		n := min(d.SegmentSize, len(data))
		all, data = append(all, data[:n]), data[n:]
	}
	return all
}

// numbered makes n datagrams of their own.
func numbered(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%06d", i)
	}
	return all
}
