//go:build linux && lab

// Super-frames: what one stack hands over as one, the other gets as what it stands for.
//
//	K vx0 10.0.0.1, fd42::1                               M vxm0 10.0.0.2, fd42::2
//	  [u0] 192.0.2.1, 2001:db8::1 ----------- 192.0.2.2, 2001:db8::2 [u0]

package lab

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// newGSOLab joins K and M over one underlay.
func newGSOLab(t *testing.T, f family) (k, m *host) {
	t.Helper()
	k, m = pair(t)
	k.kernel(segment{
		local: f.addr(1), remotes: []string{f.addr(2)},
		addresses: []string{"10.0.0.1/24", "fd42::1/64"},
	}, 4789)
	join(m, segment{
		local: f.addr(2), remotes: []string{f.addr(1)},
		addresses: []string{"10.0.0.2/24", "fd42::2/64"},
	})
	return k, m
}

// TestUDPSegmentation is udpgro_fwd (case 67): 13,000 bytes in one call, cut by the stack into
// 1300s, arrive as exactly ten datagrams.
func TestUDPSegmentation(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			k, m := newGSOLab(t, f)
			k.plainWire("u0")
			m.plainWire("u0")
			for _, way := range []struct {
				from, to *host
				addr     string
			}{{m, k, "10.0.0.1"}, {k, m, "10.0.0.2"}, {m, k, "fd42::1"}, {k, m, "fd42::2"}} {
				wire := way.to.sniff("u0", func(p packet) bool {
					o, ok := parseOuter(p.Data)
					return ok && !p.Out && (len(o.inner) >= 1300 || isLast(p))
				})
				udpSegments(t, way.from, way.to, way.addr, 10, 1300)
				eventually(t, func() error {
					packets := wire.Packets()
					got := slices.IndexFunc(packets, isLast)
					if got != 10 {
						return fmt.Errorf("%s -> %s: %d datagrams on the wire, want 10",
							way.from.Name(), way.addr, got)
					}
					return nil
				})
			}
		})
	}
}

// isLast finds the datagram that [udpSegments] sends last.
func isLast(p packet) bool { return bytes.HasSuffix(p.Data, []byte("end")) }

// udpSegments sends count datagrams of a size as one, and a last short one behind them.
func udpSegments(t *testing.T, from, to *host, addr string, count, size int) {
	t.Helper()
	server := to.listenUDP(addr, 0)
	data := segments(count, size)
	from.sendSegments(server.LocalAddr().String(), data, size)
	expectSegments(t, server, data, size)
}

// segments are count different datagrams of a size.
func segments(count, size int) (data []byte) {
	for i := range count {
		data = append(data, bytes.Repeat([]byte{byte(i)}, size)...)
	}
	return data
}

func (h *host) listenUDP(addr string, port int) (server *net.UDPConn) {
	h.t.Helper()
	need(h.t, h.Do(func() (err error) {
		server, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(addr), Port: port})
		return err
	}))
	h.t.Cleanup(func() { server.Close() })
	return server
}

// sendSegments hands the data to the stack in one call.
func (h *host) sendSegments(to string, data []byte, size int) {
	h.t.Helper()
	client := h.rawSocket("", to)
	client.option(unix.IPPROTO_UDP, unix.UDP_SEGMENT, size)
	client.send(data)
	client.send([]byte("end"))
}

// expectSegments wants every datagram once, in order.
func expectSegments(t *testing.T, server *net.UDPConn, data []byte, size int) {
	t.Helper()
	need(t, server.SetReadDeadline(time.Now().Add(patience)))
	got := make([]byte, 1<<16)
	for i := range len(data)/size + 1 {
		n, err := server.Read(got)
		if err != nil {
			t.Fatalf("%s: datagram %d: %v", server.LocalAddr(), i, err)
		}
		want := []byte("end")
		if i < len(data)/size {
			want = data[i*size : (i+1)*size]
		}
		if !bytes.Equal(got[:n], want) {
			t.Errorf("%s: datagram %d has %d bytes and begins with %x, want %d of %x",
				server.LocalAddr(), i, n, got[:min(n, 4)], len(want), want[0])
		}
	}
}

// TestFloodedSegments: a super-frame that goes to several VTEPs becomes ten datagrams for each.
func TestFloodedSegments(t *testing.T) {
	t.Parallel()
	hosts := star(t, "K1", "K2", "M")
	var servers []*net.UDPConn
	for i, k := range hosts[:2] {
		k.kernel(segment{
			local: v4.addr(i + 1), remotes: []string{v4.addr(3)},
			addresses: []string{fmt.Sprintf("10.0.0.%d/24", i+1)},
		}, 4789)
		servers = append(servers, k.listenUDP("0.0.0.0", 5000))
	}
	join(hosts[2], segment{
		local: v4.addr(3), remotes: []string{v4.addr(1), "192.0.2.99", v4.addr(2)},
		addresses: []string{"10.0.0.3/24"},
	})
	data := segments(10, 1300)
	hosts[2].sendSegments("10.0.0.255:5000", data, 1300)
	for _, server := range servers {
		expectSegments(t, server, data, 1300)
	}
}

// TestBulk sends streams large enough for the largest super-frames, both ways, over every pair of
// IP versions, and compares every byte.
func TestBulk(t *testing.T) {
	t.Parallel()
	const size = 48 << 20
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			k, m := newGSOLab(t, f)
			tcp(t, m, k, "10.0.0.1", size)
			tcp(t, k, m, "10.0.0.2", size)
			tcp(t, m, k, "fd42::1", size)
			tcp(t, k, m, "fd42::2", size)
		})
	}
}

// TestBulkBothWays runs four streams each way at once.
func TestBulkBothWays(t *testing.T) {
	t.Parallel()
	k, m := newGSOLab(t, v4)
	var streams errgroup.Group
	for range 4 {
		streams.Go(func() error { return stream(m, k, "10.0.0.1", 8<<20) })
		streams.Go(func() error { return stream(k, m, "10.0.0.2", 8<<20) })
	}
	need(t, streams.Wait())
}

// TestBulkWithoutOffloads: K's own offloads off, so that every frame is a small one.
func TestBulkWithoutOffloads(t *testing.T) {
	t.Parallel()
	k, m := newGSOLab(t, v4)
	k.plainWire("u0")
	m.plainWire("u0")
	k.run("ethtool -K vx0 tso off gso off gro off")
	tcp(t, m, k, "10.0.0.1", 16<<20)
	tcp(t, k, m, "10.0.0.2", 16<<20)
}
