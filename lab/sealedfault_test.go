//go:build linux && lab

// An underlay that loses, repeats, changes and disorders datagrams.
//
//	A vxm0 10.0.0.1 [u0] 192.0.2.1 ----------- 192.0.2.2 [u0] B vxm0 10.0.0.2
//
// or, to disorder them, through a machine that carries frames as it likes:
//
//	A [u0] 192.0.2.1 ------ [left] D [right] ------ 192.0.2.2 [u0] B

package lab

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// spoil gives a host rules for the datagrams of the mesh that come in. The underlay carries each by
// itself, or a rule would strike whole trains of them; and without the checksum that would give a
// change away.
func (n *node) spoil(rules string) {
	n.t.Helper()
	n.nft(fmt.Sprintf(`table ip spoil {
		chain in {
			type filter hook prerouting priority raw
			udp dport %d jump spoil
		}
		chain spoil {
			udp checksum set 0
			%s
		}
	}`, meshPort, rules))
}

// TestSpoiledUnderlay: whatever happens to datagrams, streams arrive as they were sent, and of
// separate packets nothing arrives that was not sent.
func TestSpoiledUnderlay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, rules string
		size        int      // of the streams; 0 for none
		reasons     []string // that are counted at both ends
	}{
		{
			name: "loss of 1 %", size: 16 << 20,
			rules: "numgen random mod 100 < 1 counter drop",
		},
		{
			name: "loss of 5 %", size: 4 << 20,
			rules: "numgen random mod 100 < 5 counter drop",
		},
		{
			name:  "loss of 20 %", // streams get through as well, but nobody knows when
			rules: "numgen random mod 100 < 20 counter drop",
		},
		{
			name: "each tenth twice", size: 16 << 20, reasons: []string{"replay"},
			rules: `numgen inc mod 10 0 counter dup to %s device "lo"`,
		},
		{
			name: "ciphertext changed", size: 4 << 20, reasons: []string{"auth"},
			rules: "numgen inc mod 50 0 counter @th,512,8 set 0xff",
		},
		{
			name: "header changed", size: 2 << 20, reasons: []string{"auth", "junk", "no_session"},
			rules: `numgen inc mod 100 0 counter @th,80,16 set 0xffff
			numgen inc mod 101 0 counter @th,168,8 set 0xff
			numgen inc mod 102 0 counter @th,184,8 set 0xff
			numgen inc mod 103 0 counter @th,64,8 set 0x55`,
		},
		{
			name: "all of it", size: 2 << 20, reasons: []string{"auth", "replay"},
			rules: `numgen random mod 100 < 2 counter drop
			numgen inc mod 20 0 counter dup to %s device "lo"
			numgen inc mod 101 0 counter @th,512,8 set 0xff`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := joinSealedPair(t, v4)
			for i, n := range []*node{a, b} {
				n.plainWire("u0")
				rules := c.rules
				if strings.Contains(rules, "%s") {
					rules = fmt.Sprintf(rules, v4.addr(i+1))
				}
				n.spoil(rules)
				for _, ip := range []string{"ipv4", "ipv6"} { // three are soon lost
					n.sysctl("net."+ip+".neigh.vxm0.mcast_solicit", "10")
					n.sysctl("net."+ip+".neigh.vxm0.ucast_solicit", "10")
				}
			}
			if c.size > 0 {
				tcp(t, a.host, b.host, "10.0.0.2", c.size)
				tcp(t, b.host, a.host, "fd42::1", c.size)
			}
			patterns(t, a.host, b.host, "10.0.0.2", 5000)
			patterns(t, b.host, a.host, "fd42::1", 5000)
			for _, n := range []*node{a, b} {
				rules := n.run("nft list chain ip spoil spoil")
				if strings.Contains(rules, "packets 0 ") {
					t.Errorf("%s: a rule that struck nothing:\n%s", n.name, rules)
				}
			}
			for _, reason := range c.reasons {
				if a.meshDrops(reason) == 0 || b.meshDrops(reason) == 0 {
					t.Errorf("%d and %d drops for %s, want some", a.meshDrops(reason),
						b.meshDrops(reason), reason)
				}
			}
		})
	}
}

// TestJoinUnderLoss: sessions come about where every fifth datagram is lost each way.
func TestJoinUnderLoss(t *testing.T) {
	t.Parallel()
	a, b := newSealedPair(t, v4)
	for _, n := range []*node{a, b} {
		n.spoil("numgen random mod 100 < 20 drop")
	}
	joinAll(a, b)
}

// patterns sends datagrams of many sizes that say themselves what they have to be, and wants every
// one that arrives to be as it was sent, once, and most of them to arrive.
func patterns(t *testing.T, from, to *host, addr string, count int) {
	t.Helper()
	server := to.listenUDP(addr, 0)
	client := from.rawSocket("", server.LocalAddr().String())
	arrived := make(chan error, 1)
	go func() { arrived <- checkPatterns(server, count) }()
	random := rand.New(rand.NewPCG(1, 2))
	tick := time.NewTicker(time.Millisecond) // the socket's buffer is not what is being tried
	defer tick.Stop()
	for i := range count {
		if i%10 == 0 {
			<-tick.C
		}
		client.send(pattern(uint32(i), 40+random.IntN(3000)))
	}
	client.send([]byte("end"))
	timeout := time.After(patience)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case err := <-arrived:
			if err != nil {
				t.Errorf("%s -> %s: %v", from.Name(), addr, err)
			}
			return
		case <-again.C: // it may be lost as well
			client.send([]byte("end"))
		case <-timeout:
			t.Fatalf("%s -> %s: the end has not come", from.Name(), addr)
		}
	}
}

// pattern is number, checksum of the rest, rest.
func pattern(number uint32, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b, number)
	rest := b[36:]
	for i := range rest {
		rest[i] = byte(number) + byte(i)*7
	}
	hash := sha256.Sum256(rest)
	copy(b[4:], hash[:])
	return b
}

// checkPatterns reads until the end is there.
func checkPatterns(server *net.UDPConn, count int) error {
	seen := make(map[uint32]bool)
	b := make([]byte, 1<<16)
	for {
		n, err := server.Read(b)
		if err != nil {
			return err
		}
		if string(b[:n]) == "end" {
			break
		}
		if n < 36 {
			return fmt.Errorf("%d bytes that nobody sent: %x", n, b[:n])
		}
		number := binary.BigEndian.Uint32(b)
		if hash := sha256.Sum256(b[36:n]); !bytes.Equal(b[4:36], hash[:]) {
			return fmt.Errorf("datagram %d was changed", number)
		}
		if seen[number] {
			return fmt.Errorf("datagram %d came twice", number)
		}
		seen[number] = true
	}
	if len(seen) < count/3 {
		return fmt.Errorf("%d of %d datagrams arrived", len(seen), count)
	}
	return nil
}

// TestDisorderedUnderlay: each ninth datagram arrives after up to thirty that were sent behind it.
func TestDisorderedUnderlay(t *testing.T) {
	t.Parallel()
	ha, d, hb := newHost(t, "A"), newHost(t, "D"), newHost(t, "B")
	need(t, netns.Veth(ha.NS, "u0", d.NS, "left"))
	need(t, netns.Veth(d.NS, "right", hb.NS, "u0"))
	ha.number(1)
	hb.number(2)
	for _, h := range []*host{ha, hb} {
		h.plainWire("u0")
	}
	d.run("ip link set dev left promisc on")
	d.run("ip link set dev right promisc on")
	swapped := []*disorder{newDisorder(d, "left", "right"), newDisorder(d, "right", "left")}
	a, b := newSealed(ha, overlay(1)), newSealed(hb, overlay(2))
	a.knows(b, meshAt(v4, 2))
	b.knows(a, meshAt(v4, 1))
	joinAll(a, b)
	tcp(t, a.host, b.host, "10.0.0.2", 4<<20)
	tcp(t, b.host, a.host, "fd42::1", 4<<20)
	patterns(t, a.host, b.host, "10.0.0.2", 3000)
	patterns(t, b.host, a.host, "10.0.0.1", 3000)
	for _, s := range swapped {
		if n := s.count(); n < 100 {
			t.Errorf("%d datagrams were put behind others: too few for the case to show anything", n)
		}
	}
	if n := a.meshDrops("replay") + b.meshDrops("replay"); n != 0 {
		t.Errorf("%d datagrams were taken for repeated ones", n)
	}
}

// A disorder carries frames from one device to another, some of them late.
type disorder struct {
	out    *netns.Sender
	random *rand.Rand

	mu      sync.Mutex
	held    []heldFrame
	swapped int
}

// A heldFrame goes out when so many others have passed, or when nothing comes any more.
type heldFrame struct {
	frame []byte
	after int
}

func newDisorder(h *host, from, to string) *disorder {
	h.t.Helper()
	d := &disorder{out: h.sender(to), random: rand.New(rand.NewPCG(1, 2))}
	h.sniff(from, func(p packet) bool {
		if !p.Out {
			d.carry(p.Data)
		}
		return false
	})
	return d
}

func (d *disorder) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.swapped
}

// carry sends the frame or holds it back, and then sends those whose turn it is. A held one that
// nothing follows waits for the repetition that its loss brings about.
func (d *disorder) carry(frame []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(frame) > 200 && d.random.IntN(9) == 0 {
		d.held = append(d.held, heldFrame{slices.Clone(frame), 1 + d.random.IntN(30)})
		return
	}
	err := d.out.Send(frame)
	for i := range d.held {
		d.held[i].after--
	}
	d.held = slices.DeleteFunc(d.held, func(h heldFrame) bool {
		if h.after > 0 {
			return false
		}
		d.swapped++
		err = errors.Join(err, d.out.Send(h.frame))
		return true
	})
	if err != nil {
		d.swapped = -1 << 30 // the count tells
	}
}
