//go:build linux && lab

// Super-frames through the mesh, between the nodes themselves and between hosts behind them.
//
//	C [e0] --- br0 - vxm0 A [u0] ===== sealed ===== [u0] B vxm0 - br0 --- [e0] D
//	10.0.0.3, fd42::3                                              10.0.0.4, fd42::4

package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	noTAP      = "tx off tso off gso off gro off"
	noUnderlay = noTAP + " tx-udp-segmentation off"
)

// sealedOffloads are the ways in which an end can do by itself what others leave to their devices.
var sealedOffloads = []struct {
	name, tap, underlay string // arguments of ethtool -K
}{
	{"all on", "", ""},
	{"underlay without", "", noUnderlay},
	{"taps without", noTAP, ""},
	{"nothing on", noTAP, noUnderlay},
	{"taps without segmentation", "tso off gso off tx-udp-segmentation off", ""},
}

// TestSealedBulk sends streams large enough for the largest super-frames, both ways and over both
// IP versions, whatever the devices leave to others, and compares every byte.
func TestSealedBulk(t *testing.T) {
	t.Parallel()
	const size = 24 << 20
	for _, c := range sealedOffloads {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := joinSealedPair(t, v4)
			for _, n := range []*node{a, b} {
				n.offloads("vxm0", c.tap)
				n.offloads("u0", c.underlay)
			}
			before := errorsOf(a.host, b.host)
			if strings.Contains(before, "missing") {
				t.Fatalf("the hosts do not count checksum errors: %s", before)
			}
			tcp(t, a.host, b.host, "10.0.0.2", size)
			tcp(t, b.host, a.host, "10.0.0.1", size)
			tcp(t, a.host, b.host, "fd42::2", size)
			tcp(t, b.host, a.host, "fd42::1", size)
			udpSegments(t, a.host, b.host, "10.0.0.2", 40, 1300)
			udpSegments(t, b.host, a.host, "fd42::1", 40, 1300)
			udp(t, a.host, b.host, "10.0.0.2", 9000) // in fragments
			if after := errorsOf(a.host, b.host); after != before {
				t.Errorf("checksum errors %s, before %s", after, before)
			}
		})
	}
}

// offloads changes what a device does for its host.
func (h *host) offloads(device, changes string) {
	h.t.Helper()
	if changes != "" {
		h.run("ethtool -K %s %s", device, changes)
	}
}

// errorsOf is what hosts count of packets whose checksums were wrong.
func errorsOf(hosts ...*host) (text string) {
	for _, h := range hosts {
		h.t.Helper()
		snmp4, err := h.ReadFile("/proc/net/snmp")
		need(h.t, err)
		text += h.checksumErrors() + " tcp " + snmp(snmp4, "Tcp:", "InCsumErrors") + "; "
	}
	return text
}

// TestSealedBulkBothWays runs four streams each way at once.
func TestSealedBulkBothWays(t *testing.T) {
	t.Parallel()
	a, b := joinSealedPair(t, v4)
	var streams errgroup.Group
	for range 4 {
		streams.Go(func() error { return stream(a.host, b.host, "10.0.0.2", 8<<20) })
		streams.Go(func() error { return stream(b.host, a.host, "fd42::1", 8<<20) })
	}
	need(t, streams.Wait())
}

// TestSealedBridges: hosts behind bridges at both ends, at the LAN's own MTU, with every packet's
// checksum looked at on D's cable.
func TestSealedBridges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		plain bool // the cables of C and D carry every packet by itself
	}{{"super-frames", false}, {"single frames", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := newSealedPair(t, v4)
			var ends []*host
			for i, n := range []*node{a, b} {
				end := n.bridge("CD"[i : i+1])[0]
				end.run("ip addr add 10.0.0.%d/24 dev e0", i+3)
				end.run("ip addr add fd42::%d/64 dev e0 nodad", i+3)
				if c.plain {
					end.plainWire("e0")
					n.plainWire("CD"[i : i+1])
				}
				n.segments[0].bridge, n.segments[0].addresses = "br0", nil
				n.rewrite()
				ends = append(ends, end)
			}
			joinAll(a, b)
			var looked atomic.Int64
			bad := ends[1].sniff("e0", func(p packet) bool {
				if !c.plain || p.Out {
					return false
				}
				looked.Add(1)
				return !sumsRight(p.Data)
			})
			for _, way := range []struct {
				from, to *host
				v4, v6   string
			}{{ends[0], ends[1], "10.0.0.4", "fd42::4"}, {ends[1], ends[0], "10.0.0.3", "fd42::3"}} {
				way.from.ping(way.v4, 1472, "-M do")
				way.from.ping(way.v6, 1452, "-M do")
				tcp(t, way.from, way.to, way.v4, 16<<20)
				tcp(t, way.from, way.to, way.v6, 16<<20)
				udp(t, way.from, way.to, way.v4, 1472)
				udpSegments(t, way.from, way.to, way.v4, 10, 1300)
			}
			if n := looked.Load(); c.plain && n < 10_000 {
				t.Errorf("%d packets were looked at, want all of them", n)
			}
			if n := bad.Count(); n != 0 {
				t.Errorf("%d packets with wrong checksums, the first %x", n, bad.Packets()[0].Data)
			}
			a.expectEntry(ends[0].mac("e0"), "device")
			a.expectEntry(ends[1].mac("e0"), "b")
		})
	}
}

// sumsRight checks the checksums of TCP and UDP over IPv4 and IPv6; other packets are right.
func sumsRight(frame []byte) bool {
	var pseudo, body []byte
	var proto byte
	switch p := frame[14:]; {
	case frame[12] == 0x08 && frame[13] == 0 && p[6]&0x3f == 0 && p[7] == 0:
		body, proto = p[int(p[0]&15)*4:int(p[2])<<8|int(p[3])], p[9]
		pseudo = append(pseudo, p[12:20]...)
		if checksum(p[:int(p[0]&15)*4]) != 0 {
			return false
		}
	case frame[12] == 0x86 && frame[13] == 0xdd:
		body, proto = p[40:40+(int(p[4])<<8|int(p[5]))], p[6]
		pseudo = append(pseudo, p[8:40]...)
	default:
		return true
	}
	if proto != protoTCP && proto != protoUDP {
		return true
	}
	pseudo = append(pseudo, 0, proto, byte(len(body)>>8), byte(len(body)))
	return checksum(append(pseudo, body...)) == 0
}

const protoTCP = 6

// TestManyFlows: many short connections at once, each with a question and an answer.
func TestManyFlows(t *testing.T) {
	t.Parallel()
	a, b := joinSealedPair(t, v4)
	var l net.Listener
	need(t, b.Do(func() (err error) {
		l, err = net.Listen("tcp", "10.0.0.2:0")
		return err
	}))
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	var flows errgroup.Group
	flows.SetLimit(32)
	for i := range 500 {
		flows.Go(func() error { return echo(a.host, l.Addr().String(), fmt.Sprintf("flow %d", i)) })
	}
	need(t, flows.Wait())
}

// echo wants back what it says.
func echo(from *host, addr, question string) error {
	var c net.Conn
	err := from.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", addr, patience)
		return err
	})
	if err != nil {
		return err
	}
	defer c.Close()
	answer := make([]byte, len(question))
	err = errors.Join(err, c.SetDeadline(time.Now().Add(patience)))
	_, writeErr := io.WriteString(c, question)
	_, readErr := io.ReadFull(c, answer)
	if err := errors.Join(err, writeErr, readErr); err != nil {
		return fmt.Errorf("%s: %w", question, err)
	}
	if string(answer) != question {
		return fmt.Errorf("asked %q, answered %q", question, answer)
	}
	return nil
}
