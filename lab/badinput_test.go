//go:build linux && lab

// Datagrams that no VTEP should send, each ending in the counter that names it.
//
//	K crafted datagrams [u0] 192.0.2.1 ----------- 192.0.2.2 [u0] M vxm0

package lab

import (
	"math/rand/v2"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// newBadInputLab starts a node and the socket that will not treat it well.
func newBadInputLab(t *testing.T, s segment) (n *node, raw *rawSocket, seen *netns.Sniffer) {
	t.Helper()
	vxmeshOnly(t)
	k, m := quietPair(t)
	s.remotes = []string{"192.0.2.1"}
	n = join(m, s)
	return n, k.rawSocket("192.0.2.1", "192.0.2.2:4789"), m.sniff("vxm0", received(senderMAC))
}

// expectOnly sends a good frame and wants it to be the only one that was delivered.
func expectOnly(t *testing.T, raw *rawSocket, seen *netns.Sniffer) {
	t.Helper()
	raw.send(vxlan(100, eth(broadcast, senderMAC, 0x88b5, []byte("good"))))
	packets, err := seen.Wait(1, patience)
	need(t, err)
	if len(packets) != 1 || string(packets[0].Data[14:18]) != "good" {
		t.Errorf("%d frames delivered, the first is %x", len(packets), packets[0].Data)
	}
}

// TestBadDatagrams sends each kind ten times.
func TestBadDatagrams(t *testing.T) {
	t.Parallel()
	good := func() []byte {
		return ip{src: "10.0.0.1", dst: "10.0.0.2"}.frame(broadcast, senderMAC, datagram(1, 2, nil))
	}
	other := func(src string) []byte { return vxlan(100, eth(broadcast, src, 0x88b5, nil)) }
	changed := func(at int, value byte) []byte {
		b := good()
		b[14+at] = value
		return vxlan(100, b)
	}
	noIFlag := append([]byte{0}, vxlan(100, good())[1:]...)
	shortV6 := vxlan(100, eth(broadcast, senderMAC, 0x86dd, make([]byte, 39)))
	for _, c := range []struct {
		name, reason string
		datagram     []byte
	}{
		{"no I flag", "no_vni_flag", noIFlag},
		{"all zeros", "no_vni_flag", make([]byte, 64)},
		{"multicast source", "source_invalid", other("01:00:5e:00:00:01")},
		{"broadcast source", "source_invalid", other(broadcast)},
		{"zero source", "source_invalid", other("00:00:00:00:00:00")},
		{"IPv4 cut short", "malformed", vxlan(100, good()[:14+19])},
		{"IPv4 longer than the frame", "malformed", changed(2, 0x40)},
		{"IPv4 header length 4", "malformed", changed(0, 0x41)},
		{"IPv6 cut short", "malformed", shortV6},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, raw, seen := newBadInputLab(t, segment{})
			for range 10 {
				raw.send(c.datagram)
			}
			n.waitDrops(c.reason, 10)
			expectOnly(t, raw, seen)
		})
	}
}

// TestShortDatagrams: every length that cannot hold a VXLAN and an Ethernet header.
func TestShortDatagrams(t *testing.T) {
	t.Parallel()
	n, raw, seen := newBadInputLab(t, segment{})
	whole := vxlan(100, eth(broadcast, senderMAC, 0x88b5, nil))
	for i := range len(whole) {
		raw.send(whole[:i])
	}
	expectOnly(t, raw, seen)
	if sum := n.drops("truncated") + n.drops("runt"); sum != len(whole) {
		t.Errorf("%d truncated and %d runt datagrams, together want %d", n.drops("truncated"),
			n.drops("runt"), len(whole))
	}
}

// TestOwnAddress: a frame that says it comes from this very device is our own echo.
func TestOwnAddress(t *testing.T) {
	t.Parallel()
	n, raw, seen := newBadInputLab(t, segment{mac: "02:00:00:00:0e:0e"})
	for range 10 {
		raw.send(vxlan(100, eth(broadcast, "02:00:00:00:0e:0e", 0x88b5, nil)))
	}
	n.waitDrops("own_mac", 10)
	expectOnly(t, raw, seen)
}

// TestPinnedAddress: a station with a static entry cannot be taken over from elsewhere.
func TestPinnedAddress(t *testing.T) {
	t.Parallel()
	const station = "02:00:00:00:0e:0f"
	n, raw, seen := newBadInputLab(t, segment{})
	n.mustCtl("fdb", "add", station, "device")
	for range 10 {
		raw.send(vxlan(100, eth(broadcast, station, 0x88b5, nil)))
	}
	n.waitDrops("static_conflict", 10)
	expectOnly(t, raw, seen)
}

// TestUnknownVTEP: an address that is no remote is not listened to, unless it is wanted.
func TestUnknownVTEP(t *testing.T) {
	t.Parallel()
	vxmeshOnly(t)
	k, m := quietPair(t)
	k.run("ip addr add 192.0.2.77/24 dev u0")
	n := join(m, segment{remotes: []string{"192.0.2.1"}})
	seen := m.sniff("vxm0", received(senderMAC))
	stranger := k.rawSocket("192.0.2.77", "192.0.2.2:4789")
	for range 10 {
		stranger.send(vxlan(100, eth(broadcast, senderMAC, 0x88b5, []byte("bad"))))
	}
	n.waitDrops("vtep_unknown", 10)
	expectOnly(t, k.rawSocket("192.0.2.1", "192.0.2.2:4789"), seen)

	n.write(segment{remotes: []string{"192.0.2.1"}, learnVTEPs: true})
	n.mustCtl("reload")
	stranger.send(vxlan(100, eth(broadcast, senderMAC, 0x88b5, []byte("now good"))))
	_, err := seen.Wait(2, patience)
	need(t, err)
	n.expectEntry(senderMAC, "192.0.2.77")
}

// TestRandomDatagrams: noise of every length, some of it behind a good header, ends nothing.
func TestRandomDatagrams(t *testing.T) {
	t.Parallel()
	n, raw, _ := newBadInputLab(t, segment{})
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		b := make([]byte, random.IntN(1400))
		for j := range b {
			b[j] = byte(random.Uint32())
		}
		if i%2 == 0 {
			b = vxlan(100, b)
		}
		raw.send(b)
	}
	seen := n.sniff("vxm0", received(markerMAC))
	eventually(t, func() error {
		raw.send(vxlan(100, eth(broadcast, markerMAC, 0x88b5, []byte("good"))))
		_, err := seen.Wait(1, patience/100)
		return err
	})
}
