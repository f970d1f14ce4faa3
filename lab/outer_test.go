//go:build linux && lab

// The outer header, as it is seen on the wire at K.
//
//	M vxm0 <- crafted frames       [u0] 192.0.2.2 ----------- 192.0.2.1 [u0] K sniffs
//	M vxm0 -> what comes out       [u0] ----------------- crafted datagrams [u0] K

package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

type packet = netns.Packet

// An outerLab sends frames into the node's device and sees the datagrams they become.
type outerLab struct {
	t      *testing.T
	k, m   *host
	node   *node
	sender *netns.Sender
	wire   *netns.Sniffer
}

func newOuterLab(t *testing.T, f family, s segment) *outerLab {
	t.Helper()
	l := &outerLab{t: t}
	l.k, l.m = pair(t)
	l.k.plainWire("u0")
	l.m.plainWire("u0")
	s.local, s.remotes = f.addr(2), []string{f.addr(1)}
	l.node = join(l.m, s)
	l.sender = l.m.sender("vxm0")
	l.wire = l.k.sniff("u0", func(p packet) bool {
		o, ok := parseOuter(p.Data)
		return ok && fromM(p) && len(o.inner) > 12 && source(senderMAC)(packet{Data: o.inner})
	})
	return l
}

// encapsulate sends one frame and returns the datagram it became.
func (l *outerLab) encapsulate(frame []byte) outer {
	l.t.Helper()
	l.wire.Reset()
	need(l.t, l.sender.Send(frame))
	packets, err := l.wire.Wait(1, patience)
	need(l.t, err)
	o, _ := parseOuter(packets[0].Data)
	return o
}

// inners are the kinds of inner packets that the kernel's script tries.
var inners = []struct {
	name  string
	frame func(tos, ttl byte) []byte
	isIP  bool
}{
	{"inner v4", func(tos, ttl byte) []byte {
		return ip{src: "10.0.0.2", dst: "10.0.0.1", tos: tos, ttl: ttl}.frame(
			unknownMAC, senderMAC, datagram(1, 2, []byte("inner v4")))
	}, true},
	{"inner v6", func(tos, ttl byte) []byte {
		return ip{src: "fd42::2", dst: "fd42::1", tos: tos, ttl: ttl}.frame(
			unknownMAC, senderMAC, datagram(1, 2, []byte("inner v6")))
	}, true},
	{"inner other", func(_, _ byte) []byte { return arp(senderMAC, "10.0.0.2", "10.0.0.1") }, false},
}

// TestTTLAndTOS is l2_tos_ttl_inherit (case 59: outer, inner, inherit or fixed, tagged or not: 24
// rows), envelope TTL and envelope TOS inheritance (cases 7, 8) and row I16.
func TestTTLAndTOS(t *testing.T) {
	t.Parallel()
	for _, c := range []headerCase{
		{v4, "inherit", "inherit", 0x48, 33, 0, 64},
		{v6, "inherit", "inherit", 0x48, 33, 0, 64},
		{v4, "32", "100", 32, 100, 32, 100},
		{v6, "32", "100", 32, 100, 32, 100},
		{v4, "", "1", 0, 1, 0, 1},
		{v4, "", "255", 0, 255, 0, 255},
	} {
		t.Run(fmt.Sprintf("outer %s tos %s ttl %s", c.underlay, c.tos, c.ttl), func(t *testing.T) {
			t.Parallel()
			c.check(newOuterLab(t, c.underlay, segment{tos: c.tos, ttl: c.ttl}))
		})
	}
}

// A headerCase is a configuration and what it makes of inner TOS 0x48 and TTL 33.
type headerCase struct {
	underlay         family
	tos, ttl         string
	wantTOS, wantTTL byte // for inner IP
	elseTOS, elseTTL byte // for all else
}

// check sends every kind of inner packet, untagged and tagged.
func (c headerCase) check(l *outerLab) {
	l.t.Helper()
	for _, inner := range inners {
		frame, wantTOS, wantTTL := inner.frame(0x48, 33), c.elseTOS, c.elseTTL
		if inner.isIP {
			wantTOS, wantTTL = c.wantTOS, c.wantTTL
		}
		for _, f := range [][]byte{frame, tagged(frame, 0x8100, 42)} {
			if o := l.encapsulate(f); o.tos != wantTOS || o.ttl != wantTTL {
				l.t.Errorf("%s in %d bytes: TOS %#02x TTL %d, want %#02x %d", inner.name,
					len(f), o.tos, o.ttl, wantTOS, wantTTL)
			}
		}
	}
}

// TestDF is the df part of row I16: only IPv4 has the bit, and inner IPv6 counts as having it.
func TestDF(t *testing.T) {
	t.Parallel()
	inner := []struct {
		name  string
		frame []byte
	}{
		{"v4", ip{src: "10.0.0.2", dst: "10.0.0.1"}.frame(unknownMAC, senderMAC, datagram(1, 2, nil))},
		{"v4 DF", ip{src: "10.0.0.2", dst: "10.0.0.1", df: true}.frame(unknownMAC, senderMAC,
			datagram(1, 2, nil))},
		{"v6", ip{src: "fd42::2", dst: "fd42::1"}.frame(unknownMAC, senderMAC, datagram(1, 2, nil))},
		{"ARP", arp(senderMAC, "10.0.0.2", "10.0.0.1")},
	}
	for _, c := range []struct {
		df   string
		want [4]bool
	}{
		{"", [4]bool{}},
		{"unset", [4]bool{}},
		{"set", [4]bool{true, true, true, true}},
		{"inherit", [4]bool{false, true, true, false}},
	} {
		t.Run("df "+c.df, func(t *testing.T) {
			t.Parallel()
			l := newOuterLab(t, v4, segment{df: c.df})
			for i, in := range inner {
				if o := l.encapsulate(in.frame); o.df != c.want[i] {
					t.Errorf("inner %s: DF %v, want %v", in.name, o.df, c.want[i])
				}
			}
		})
	}
}

// TestECNEncap is ECN encap (cases 9 to 12): congestion inside is not told to the underlay.
func TestECNEncap(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			l := newOuterLab(t, f, segment{})
			for inner, want := range []byte{0, 1, 2, 2} {
				for _, in := range inners[:2] {
					if o := l.encapsulate(in.frame(byte(inner), 64)); o.tos != want {
						t.Errorf("%s ECN %02b: outer %02b, want %02b", in.name, inner, o.tos, want)
					}
				}
			}
		})
	}
}

// ecnDecap is RFC 6040, 4.2, as the kernel applies it: by inner, then outer codepoint; 4 is a
// drop.
var ecnDecap = [4][4]byte{
	{0, 0, 0, 4},
	{1, 1, 1, 3},
	{2, 1, 2, 3},
	{3, 3, 3, 3},
}

// TestECNDecap is ECN decap (cases 13 to 17) with inner IPv4, whose header checksum has to follow,
// and IPv6.
func TestECNDecap(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			l := newOuterLab(t, f, segment{})
			seen := l.m.sniff("vxm0", received(senderMAC))
			raw := l.k.rawSocket(f.addr(1), net.JoinHostPort(f.addr(2), "4789"))
			for row := range byte(16) {
				raw.tos(f, row%4)
				for _, in := range inners[:2] {
					raw.send(vxlan(100, in.frame(row/4, 16+row))) // the TTL names the row
				}
			}
			packets, err := seen.Wait(2*15, patience)
			need(t, err)
			checkDecapsulated(t, packets)
			if *nodeKind == "vxmesh" {
				l.node.waitDrops("ecn", 2)
			}
		})
	}
}

// checkDecapsulated wants every row of ecnDecap but the dropped one twice.
func checkDecapsulated(t *testing.T, packets []packet) {
	t.Helper()
	rows := make(map[byte]int)
	for _, p := range packets {
		body := p.Data[14:]
		tos, ttl := body[1], body[8]
		if body[0]>>4 == 6 {
			tos, ttl = byte(binary.BigEndian.Uint32(body)>>20), body[7]
		} else if sum := checksum(body[:20]); sum != 0 {
			t.Errorf("IPv4 header checksum is off by %#04x in %x", sum, body[:20])
		}
		row := ttl - 16
		rows[row]++
		if want := ecnDecap[row/4][row%4]; tos != want {
			t.Errorf("inner %02b outer %02b: delivered with %02b, want %02b", row/4, row%4, tos, want)
		}
	}
	for row := range byte(16) {
		want := 2
		if ecnDecap[row/4][row%4] == 4 {
			want = 0
		}
		if rows[row] != want {
			t.Errorf("inner %02b outer %02b: %d frames, want %d", row/4, row%4, rows[row], want)
		}
	}
}

// TestSourcePorts: a flow keeps its source port, many flows spread (RFC 7348, 5).
func TestSourcePorts(t *testing.T) {
	t.Parallel()
	l := newOuterLab(t, v4, segment{sourcePort: "hash"})
	ports := make(map[uint16]bool)
	for flow := range uint16(32) {
		var first uint16
		for round := range 3 {
			o := l.encapsulate(ip{src: "10.0.0.2", dst: "10.0.0.1"}.frame(unknownMAC, senderMAC,
				datagram(1000+flow, 2000, []byte(strings.Repeat("x", round)))))
			if round == 0 {
				first = o.sport
			}
			if o.sport != first {
				t.Errorf("flow %d changed its port from %d to %d", flow, first, o.sport)
			}
		}
		ports[first] = true
	}
	if len(ports) < 4 {
		t.Errorf("32 flows use %d source ports, want a spread", len(ports))
	}
}
