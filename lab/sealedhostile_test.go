//go:build linux && lab

// What reaches the mesh port that should not, and what is set up so that nothing can.
//
//	A vxm0 10.0.0.1 [u0] 192.0.2.1 ----+
//	B vxm0 10.0.0.2 [u0] 192.0.2.2 ----+---- switch
//	X anything [u0] 192.0.2.3 ---------+

package lab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tunnel/session"
)

// newHostileLab is the drawing, with A and B up.
func newHostileLab(t *testing.T) (a, b *node, x *host) {
	t.Helper()
	hosts := star(t, "A", "B", "X")
	a, b = newSealed(hosts[0], overlay(1)), newSealed(hosts[1], overlay(2))
	a.knows(b, meshAt(v4, 2))
	b.knows(a, meshAt(v4, 1))
	joinAll(a, b)
	return a, b, hosts[2]
}

// TestScanner: a million datagrams, most with a first byte that is spoken here, get not one answer,
// and the ping beside them goes on.
func TestScanner(t *testing.T) {
	t.Parallel()
	const total = 1_000_000
	a, b, x := newHostileLab(t)
	a.nft(`table ip count {
		chain out {
			type filter hook output priority filter
			ip daddr 192.0.2.3 counter
		}
	}`)
	flow := b.beat(a.host, "10.0.0.1")
	flow.steady()
	rounds := []func(*rand.Rand, []byte){noise, ours, sessions, handshakes, stun}
	random := rand.New(rand.NewPCG(1, 2))
	for i, fill := range rounds {
		sizes := []int{16, 32, 47, 100, 148, 172, 300, 1400}
		scan(x, random, total/len(rounds)/len(sizes), sizes, fill)
		// What still waits in A's buffer when the round ends may cost one echo its place there, not two.
		if a.canPing("10.0.0.2") != nil {
			if err := a.canPing("10.0.0.2"); err != nil {
				t.Errorf("after round %d: %v", i, err)
			}
		}
	}
	flow.steady()
	b.ping("10.0.0.1", 1472, "-M do")
	if rules := a.run("nft list chain ip count out"); !strings.Contains(rules, "packets 0 ") {
		t.Errorf("the scanner got answers:\n%s", rules)
	}
	s := a.stats()
	dropped := 0
	for _, socket := range s.Sockets {
		for _, n := range socket.Drops {
			dropped += n
		}
	}
	// The host drops what a full buffer does not take; that the rest is counted is what matters.
	if dropped < total/20 {
		t.Errorf("%d drops are counted for %d datagrams", dropped, total)
	}
	// Losses may have led over to B's other address, on the link; nothing may lead to the scanner.
	if p := a.waitPeer("b", "direct", ""); p.Path == nil || strings.HasPrefix(p.Path.Remote, v4.addr(3)+":") {
		t.Errorf("path %+v after the scan", p.Path)
	}
}

// noise is anything.
func noise(r *rand.Rand, b []byte) { scramble(r, b) }

// ours has the first byte of the mesh, and any index.
func ours(r *rand.Rand, b []byte) { scramble(r, b); b[0] = 8 }

// sessions is data for small indices, as if somebody tried them out.
func sessions(r *rand.Rand, b []byte) {
	scramble(r, b)
	binary.BigEndian.PutUint32(b, 8<<24)
	b[7] = byte(r.Uint32())
}

// handshakes begin as handshakes and cookies do.
func handshakes(r *rand.Rand, b []byte) {
	scramble(r, b)
	copy(b, []byte{8, 0, 0, 0, 0, 0, 0, byte(1 + r.IntN(3))})
}

// stun begins as RFC 8489, section 5 says.
func stun(r *rand.Rand, b []byte) {
	scramble(r, b)
	binary.BigEndian.PutUint16(b, uint16(r.IntN(2)<<8|1))
	binary.BigEndian.PutUint16(b[2:], uint16(max(0, len(b)-20)))
	binary.BigEndian.PutUint32(b[4:], 0x2112a442)
}

func scramble(r *rand.Rand, b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, r.Uint64())
	}
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// scan sends that many datagrams of each size to A's mesh port, as many in one call as it takes.
func scan(x *host, random *rand.Rand, count int, sizes []int, fill func(*rand.Rand, []byte)) {
	x.t.Helper()
	for _, size := range sizes {
		atOnce := min(64, 60_000/size)
		raw := x.rawSocket("", meshAt(v4, 1))
		raw.option(unix.IPPROTO_UDP, unix.UDP_SEGMENT, size)
		train := make([]byte, atOnce*size)
		for i := range atOnce {
			fill(random, train[i*size:(i+1)*size])
		}
		for sent := 0; sent < count; sent += atOnce {
			fill(random, train[:size]) // one that is new in each
			raw.send(train)
		}
	}
}

// TestSealedToKernel: a sealed datagram that ends up at a kernel's VXLAN port is dropped there, for
// its reserved bits.
func TestSealedToKernel(t *testing.T) {
	t.Parallel()
	a, b, x := newHostileLab(t)
	x.kernel(segment{local: v4.addr(3), remotes: []string{v4.addr(1)}}, 4789)
	b.plainWire("u0")
	a.plainWire("u0")
	wire := b.sniff("u0", func(p packet) bool {
		return !p.Out && len(p.Data) > 14+28+16 && p.Data[12] == 8 && p.Data[23] == protoUDP &&
			binary.BigEndian.Uint16(p.Data[36:]) == meshPort &&
			!bytes.Equal(p.Data[46:49], make([]byte, 3)) // a frame, by its VNI
	})
	seen := x.sniff("vx0", func(p packet) bool { return !p.Out })
	a.ping("10.0.0.2", 1000)
	packets, err := wire.Wait(3, patience)
	need(t, err)
	raw := a.rawSocket(v4.addr(1), v4.addr(3)+":4789")
	for _, p := range packets {
		payload := p.Data[42 : 14+binary.BigEndian.Uint16(p.Data[16:])]
		if payload[0] != 8 || vniOf(payload) != 100 {
			t.Fatalf("a sealed frame begins with %x, want it to show VNI 100", payload[:8])
		}
		raw.send(payload)
	}
	raw.send(vxlan(100, hello(senderMAC)))
	got, err := seen.Wait(1, patience)
	need(t, err)
	if len(got) != 1 || !source(senderMAC)(got[0]) {
		t.Errorf("%d frames at the kernel's device, the first %x: want the plain one alone", len(got),
			got[0].Data)
	}
}

func vniOf(b []byte) uint32 { return binary.BigEndian.Uint32(b[4:]) >> 8 }

// TestWrongKey: B's file has another key for A. Nothing is answered, and both are told what to look
// at.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	a, b := newSealedPair(t, v4)
	stranger := newSealed(newHost(t, "S"), overlay(3))
	b.peers[0].key = stranger.key()
	b.rewrite()
	for _, n := range []*node{a, b} {
		n.start()
		n.waitUp()
	}
	a.waitPeer("b", "down", "no_answer")
	b.waitPeer("a", "down", "no_answer")
	for _, n := range []*node{a, b} {
		eventually(t, func() error {
			if n.meshDrops("auth") == 0 {
				return fmt.Errorf("%s: no drop for auth", n.name)
			}
			return nil
		})
		expectWords(t, n.mustCtl("why", n.peers[0].name), "is down", "this node's key",
			"vxmesh key show", fmt.Sprintf("UDP port %d", meshPort))
	}
	out, err := a.ctl("ping", "b", "-c", "1", "-W", "200ms")
	if err == nil {
		t.Error("a ping over no session ends with success")
	}
	expectWords(t, out, "0 came back", "vxmesh why b")
	// The right key mends it without a restart.
	b.peers[0].name, b.peers[0].key = "really-a", a.key()
	b.rewrite()
	b.mustCtl("reload")
	b.waitPeer("really-a", "direct", "")
	a.ping("10.0.0.2", 56)
}

// TestNoCommonCipher: each insists on another one.
func TestNoCommonCipher(t *testing.T) {
	t.Parallel()
	a, b := newSealedPair(t, v4)
	for n, cipher := range map[*node]string{a: "aes-256-gcm", b: "chacha20-poly1305"} {
		n.sealed += fmt.Sprintf("[security]\ncipher = %q\n", cipher)
		n.rewrite()
		n.start()
		n.waitUp()
	}
	eventually(t, func() error {
		for n, peer := range map[*node]string{a: "b", b: "a"} {
			p, err := n.peer(peer)
			if err == nil && p.Reason == "no_common_cipher" {
				expectWords(t, n.mustCtl("why", peer), "none of the ciphers", "security.cipher")
				return nil
			}
		}
		return fmt.Errorf("neither says no_common_cipher")
	})
}

// TestCiphers: a pair agrees on the one that a node insists on, else on the fastest.
func TestCiphers(t *testing.T) {
	t.Parallel()
	wants := map[string]string{"aes-256-gcm": "aes-256-gcm", "chacha20-poly1305": "chacha20-poly1305"}
	if session.AEGIS256X2.Supported() {
		wants["aegis-256x2"], wants["auto"] = "aegis-256x2", "aegis-256x2"
	}
	for cipher, want := range wants {
		t.Run(cipher, func(t *testing.T) {
			t.Parallel()
			a, b := newSealedPair(t, v4)
			a.sealed += fmt.Sprintf("[security]\ncipher = %q\n", cipher)
			a.rewrite()
			joinAll(a, b)
			for n, peer := range map[*node]string{a: "b", b: "a"} {
				if p := n.waitPeer(peer, "direct", ""); p.Cipher != want {
					t.Errorf("%s uses %s, want %s", n.name, p.Cipher, want)
				}
			}
			tcp(t, a.host, b.host, "10.0.0.2", 16<<20)
			tcp(t, b.host, a.host, "10.0.0.1", 16<<20)
		})
	}
}

// TestMeshPortTaken: somebody has the port already.
func TestMeshPortTaken(t *testing.T) {
	t.Parallel()
	a, _ := newSealedPair(t, v4)
	var taken *net.UDPConn
	need(t, a.Do(func() (err error) {
		taken, err = net.ListenUDP("udp4", &net.UDPAddr{Port: meshPort})
		return err
	}))
	defer taken.Close()
	expectWords(t, a.refused(exitConflict), fmt.Sprint(meshPort), "ss -lunp", "mesh")
	if a.hasDevice("vxm0") {
		t.Error("vxm0 is left behind")
	}
}

// TestKeyReadable: a key that others can read is not used.
func TestKeyReadable(t *testing.T) {
	t.Parallel()
	a, _ := newSealedPair(t, v4)
	key := filepath.Join(a.state(), "identity.key")
	need(t, os.Chmod(key, 0o644))
	expectWords(t, a.refused(exitPermission), key, "chmod 600")
	need(t, os.Chmod(key, 0o600))
	a.start()
	a.waitUp()
}
