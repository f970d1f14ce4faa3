package tunnel_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// TestOwnDatagramsAsFrames has a bridge give the node its own datagrams as frames: they go nowhere,
// or each would become another. Those of others cross.
func TestOwnDatagramsAsFrames(t *testing.T) {
	simulate(t, 34, func(w *world) {
		a, b := w.pair()
		c := w.add().knows(a)
		a.knows(c)
		start(a, b, c)
		w.talk(a, b, 3*time.Second)
		w.talk(a, c, 3*time.Second)
		b.device.Frames()
		c.device.Frames()
		other := netip.AddrPortFrom(b.addr.Addr(), 53)
		dns := netip.AddrPortFrom(a.addr.Addr(), 53)
		for _, f := range []struct {
			from, to netip.AddrPort
			crosses  bool
		}{{a.addr, b.addr, false}, {a.addr, c.addr, false}, {a.addr, other, true}, {dns, b.addr, true}} {
			before := a.Stats().Segments[0].Drops["loop"]
			a.inject(bare, datagramFrame(f.from, f.to))
			w.pass(100 * time.Millisecond)
			got := [2]int{len(b.device.Frames()), len(c.device.Frames())}
			dropped := a.Stats().Segments[0].Drops["loop"] - before
			if want := map[bool][2]int{true: {1, 1}}[f.crosses]; got != want || (dropped == 0) != f.crosses {
				t.Errorf("%v to %v: %v cross, %d dropped", f.from, f.to, got, dropped)
			}
		}
	})
}

// datagramFrame is an IPv4 UDP datagram for a station that nobody knows.
func datagramFrame(from, to netip.AddrPort) []byte {
	f := plainFrame(station(0x55), station(1), string(make([]byte, 28)))
	binary.BigEndian.PutUint16(f[12:], ether.TypeIPv4)
	copy(f[14:], []byte{0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, ether.ProtoUDP})
	copy(f[26:], from.Addr().AsSlice())
	copy(f[30:], to.Addr().AsSlice())
	ether.PutIPv4Checksum(f[14:34])
	binary.BigEndian.PutUint16(f[34:], from.Port())
	binary.BigEndian.PutUint16(f[36:], to.Port())
	binary.BigEndian.PutUint16(f[38:], 8)
	return f
}
