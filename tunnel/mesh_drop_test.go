package tunnel_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// places are what a member has counted, where.
type places struct{ socket, peer, segment map[string]uint64 }

// A sealedDrop is something that a member must not take, sent by the rogue it trusts, and where it
// counts that.
type sealedDrop struct {
	name    string
	do      func(d *dropped)
	want    places
	answers int // datagrams that come back
}

// dropped is where a [sealedDrop] happens: victim knows the rogue and another peer, friend.
type dropped struct {
	*rogue
	w              *world
	victim, friend *member
}

// ipFrame is a frame with an IPv4 packet that carries n bytes of UDP payload.
func ipFrame(dst, src ether.MAC, n int) []byte {
	f := plainFrame(dst, src, "")
	f[12], f[13] = 8, 0
	f = append(f, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, ether.ProtoUDP, 0, 0, 192, 0, 2, 2, 192, 0, 2, 1)
	binary.BigEndian.PutUint16(f[16:], uint16(28+n))
	f = append(f, 0, 1, 0, 2, 0, 0, 0, 0) // no checksum
	binary.BigEndian.PutUint16(f[38:], uint16(8+n))
	ether.PutIPv4Checksum(f[14:])
	return append(f, make([]byte, n)...)
}

// message1 is a handshake that a stranger who knows the victim's key begins.
func (d *dropped) message1(i int) []byte {
	e := session.New(session.Options{Key: nodeKey(1000 + i), Epoch: 1})
	p, err := e.Add(d.victim.options.Mesh.Key.Public())
	if err != nil {
		d.w.t.Fatal(err)
	}
	return p.Initiate(0)
}

// fromRogue has the rogue send one datagram.
func fromRogue(f func(d *dropped) []byte) func(d *dropped) {
	return func(d *dropped) { d.raw(f(d)) }
}

// fromRogueFrame has the rogue send one frame.
func fromRogueFrame(f []byte) func(d *dropped) {
	return func(d *dropped) { d.raw(d.frame(f)) }
}

func once(reason string) map[string]uint64 { return map[string]uint64{reason: 1} }

func atSocket(reason string) places { return places{socket: once(reason)} }
func atPeer(reason string) places   { return places{peer: once(reason)} }

// atSegment is for frames, which the segment and the peer count both.
func atSegment(reason string) places { return places{peer: once(reason), segment: once(reason)} }

// unsealedDrops are datagrams that belong to no session.
var unsealedDrops = []sealedDrop{
	{"empty", fromRogue(func(*dropped) []byte { return []byte{0x08} }), atSocket("junk"), 0},
	{"noise", fromRogue(func(*dropped) []byte {
		return bytes.Repeat([]byte{0xa5}, 700)
	}), atSocket("junk"), 0},
	{"STUN that asks for more than an address", fromRogue(func(*dropped) []byte { // CHANGE-REQUEST (RFC 5780, 7.2)
		q := append([]byte{0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
		return append(q, 0, 3, 0, 4, 0, 0, 0, 6)
	}), atSocket("stun_refused"), 0},
	{"STUN that answers nobody", fromRogue(func(*dropped) []byte {
		return append([]byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	}), atSocket("junk"), 0},
	{"reserved index", fromRogue(func(*dropped) []byte {
		b := make([]byte, 64)
		binary.BigEndian.PutUint64(b, 0x08<<56|7<<8|200)
		return b
	}), atSocket("junk"), 0},
	{"plain frame", fromRogue(func(*dropped) []byte {
		b := make([]byte, 8)
		binary.BigEndian.PutUint64(b, 0x08<<56|7<<8)
		return append(b, plainFrame(everybody, station(9), "plain")...)
	}), atSocket("no_session"), 0},
	{"session that does not exist", fromRogue(func(d *dropped) []byte {
		return d.seal(wire.Header{Index: d.t.RemoteIndex() ^ 0x1000, VNI: 7, Last: true}, []byte("?"))
	}), atSocket("no_session"), 0},
	{"shorter than a tag", fromRogue(func(d *dropped) []byte {
		return d.frame(nil)[:wire.Overhead-1]
	}), atSocket("truncated"), 0},
	{"handshake of nobody", fromRogue(func(*dropped) []byte {
		b := bytes.Repeat([]byte{1}, session.Message1Len)
		wire.PutHandshake(b, wire.Handshake1)
		return b
	}), atSocket("auth"), 0},
	{"handshake of a stranger", fromRogue(func(d *dropped) []byte {
		return d.message1(0)
	}), atSocket("auth"), 0},
	{"answer to nothing", fromRogue(func(*dropped) []byte {
		b := make([]byte, session.CookieLen)
		wire.PutHandshake(b, wire.Cookie)
		return b
	}), atSocket("no_session"), 0},
	{
		"too many handshakes of one address",
		func(d *dropped) {
			for i := range 22 {
				d.raw(d.message1(i))
			}
		},
		places{socket: map[string]uint64{"auth": 20, "cookie_needed": 2}},
		2,
	},
	{
		"too many handshakes",
		func(d *dropped) {
			for i := range 102 {
				from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 1)
				if i == 101 {
					from = d.of.addr // who gets what is answered
				}
				d.w.net.Inject(from, d.victim.addr, d.message1(i))
			}
		},
		places{socket: map[string]uint64{"auth": 100, "cookie_needed": 2}},
		1,
	},
}

// sessionDrops are datagrams of a session that are no frames.
var sessionDrops = []sealedDrop{
	{"forged", fromRogue(func(d *dropped) []byte {
		b := d.frame(plainFrame(everybody, station(9), "forged"))
		b[len(b)-1] ^= 1
		return b
	}), atPeer("auth"), 0},
	{"header changed", fromRogue(func(d *dropped) []byte {
		b := d.frame(plainFrame(everybody, station(9), "changed"))
		b[6] ^= 1 // the VNI
		return b
	}), atPeer("auth"), 0},
	{"chunk forged", fromRogue(func(d *dropped) []byte {
		b := d.chunk(d.reserve(2), 0, false, make([]byte, 100))
		b[20] ^= 1
		return b
	}), atPeer("auth"), 0},
	{"chunk without a place forged", fromRogue(func(d *dropped) []byte {
		b := d.chunk(d.reserve(2), 0, false, nil)
		b[20] ^= 1
		return b
	}), atPeer("auth"), 0},
	{"twice", func(d *dropped) {
		b := d.control(wire.Pong{}.Append(nil))
		d.raw(b, b)
	}, atPeer("replay"), 0},
	{"too old to tell", func(d *dropped) {
		b := d.control(wire.Pong{}.Append(nil))
		d.reserve(8192)
		d.raw(d.control(wire.Pong{}.Append(nil)), b)
	}, atPeer("replay"), 0},
	{"chunk twice", func(d *dropped) {
		base := d.reserve(2)
		b := d.chunk(base, 0, false, make([]byte, 100))
		d.raw(b, b)
		d.w.pass(time.Second)
	}, places{peer: map[string]uint64{"replay": 1, "chunk_timeout": 1}}, 0},
	{"handshake twice", func(d *dropped) {
		d.w.pass(5 * time.Second)
		var first []byte
		d.w.tapping(func(from, _ netip.AddrPort, b []byte) bool {
			if from == d.of.addr && wire.KindOf(b) == wire.Handshake1 {
				first = bytes.Clone(b)
			}
			return true
		})
		d.call()
		d.w.pass(2 * time.Second)
		d.raw(first)
	}, atPeer("replay"), 0},
	{"chunk that stays alone", func(d *dropped) {
		d.raw(d.chunk(d.reserve(2), 0, false, make([]byte, 100)))
		d.w.pass(time.Second)
	}, atPeer("chunk_timeout"), 0},
	{"chunk that comes late", func(d *dropped) {
		base := d.reserve(2)
		d.raw(d.chunk(base, 0, false, make([]byte, 100)))
		d.w.pass(time.Second)
		d.raw(d.chunk(base, 1, true, make([]byte, 100)))
	}, places{peer: map[string]uint64{"chunk_timeout": 2}}, 0},
	{"chunk that is longer than the others", func(d *dropped) {
		base := d.reserve(3)
		d.raw(d.chunk(base, 0, false, make([]byte, 100)), d.chunk(base, 1, false, make([]byte, 101)))
		d.w.pass(time.Second)
	}, places{peer: map[string]uint64{"malformed": 1, "chunk_timeout": 1}}, 0},
	{"control message of no type", fromRogue(func(d *dropped) []byte {
		return d.control([]byte{99, 1, 2, 3})
	}), atPeer("malformed"), 0},
	{"control message cut short", fromRogue(func(d *dropped) []byte {
		return d.control([]byte{byte(wire.TypePing), 1, 2, 3})
	}), atPeer("malformed"), 0},
	{"no control message", fromRogue(func(d *dropped) []byte {
		return d.control(nil)
	}), atPeer("malformed"), 0},
	{"metadata cut short", fromRogue(func(d *dropped) []byte {
		return d.seal(wire.Header{VNI: 7, Last: true, Flags: wire.FlagOffload}, make([]byte, 9))
	}), atPeer("malformed"), 0},
	{"no such segment", fromRogue(func(d *dropped) []byte {
		return d.seal(wire.Header{VNI: 9, Last: true}, plainFrame(everybody, station(9), "?"))
	}), atPeer("vni_unknown"), 0},
}

// frameDrops are frames that have no place in the segment.
var frameDrops = []sealedDrop{
	{"segment of others", fromRogue(func(d *dropped) []byte {
		return d.seal(wire.Header{VNI: 8, Last: true}, plainFrame(everybody, station(9), "?"))
	}), atSegment("not_member"), 0},
	{"runt", fromRogueFrame([]byte("too short")), atSegment("runt"), 0},
	{"nothing", fromRogueFrame(nil), atSegment("runt"), 0},
	{"IP header cut short", fromRogueFrame(
		ipFrame(everybody, station(9), 0)[:30],
	), atSegment("malformed"), 0},
	{"our own address", fromRogueFrame(
		plainFrame(everybody, ether.MAC{2, 0, 0, 0, 1, 1}, "?"),
	), atSegment("own_mac"), 0},
	{"from everybody", fromRogueFrame(
		plainFrame(station(1), everybody, "?"),
	), atSegment("source_invalid"), 0},
	{"from a pinned address", fromRogueFrame(
		plainFrame(station(1), station(77), "?"),
	), atSegment("static_conflict"), 0},
	{"congestion for who cannot know", func(d *dropped) {
		d.rawTOS(ether.CE, d.frame(ipFrame(everybody, station(9), 10)))
	}, atSegment("ecn"), 0},
	{"for another peer", fromRogueFrame(
		plainFrame(station(77), station(9), "?"),
	), atSegment("split_horizon"), 0},
	{"for who sent it", func(d *dropped) {
		d.raw(d.frame(plainFrame(station(8), station(9), "?")))
	}, atSegment("same_port"), 0},
}

// TestEverySealedDrop counts what must not pass exactly once, where it belongs, and neither takes
// nor answers it.
func TestEverySealedDrop(t *testing.T) {
	for _, c := range slices.Concat(unsealedDrops, sessionDrops, frameDrops) {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, 7, func(w *world) {
				d := newDropped(w)
				before := d.heard()
				c.do(d)
				if c.want.segment == nil && !hasTime(c.name) {
					if n := d.heard() - before; n != c.answers {
						t.Errorf("%d datagrams come back", n)
					}
				}
				w.pass(0)
				d.check(c.want)
			})
		})
	}
}

// hasTime reports whether a case lasts, so that keepalives and probes come meanwhile.
func hasTime(name string) bool { return name == "handshake twice" }

// newDropped starts a victim with two segments, in the first of which the rogue and a friend are.
func newDropped(w *world) *dropped {
	victim, friend, of := w.add(), w.add(), w.add()
	victim.knows(friend, of)
	friend.knows(victim)
	victim.options.Segments[0].Static = []tunnel.StaticEntry{
		{MAC: station(77), Peer: friend.name}, {MAC: station(8), Peer: of.name},
	}
	other := victim.options.Segments[0]
	other.VNI, other.Peers, other.Static = 8, []string{friend.name}, nil
	other.Device.Name, other.Device.MAC = "none8", ether.MAC{2, 0, 0, 0, 8, 1}
	victim.options.Segments = append(slices.Clone(victim.options.Segments[:1]), other)
	friend.options.Mesh.Peers[0].Endpoints = nil // both at once would leave an answer to nobody
	victim.calledBy(of)
	start(victim, friend)
	return &dropped{rogue: w.rogue(of, victim), w: w, victim: victim, friend: friend}
}

// check compares what the victim has counted.
func (d *dropped) check(want places) {
	d.w.t.Helper()
	got := places{make(map[string]uint64), d.victim.counts(d.of).Drops, make(map[string]uint64)}
	st := d.victim.Stats()
	for _, s := range st.Sockets {
		maps.Copy(got.socket, s.Drops)
	}
	for _, s := range st.Segments {
		maps.Copy(got.segment, s.Drops)
	}
	for name, pair := range map[string][2]map[string]uint64{
		"socket": {got.socket, want.socket}, "peer": {got.peer, want.peer}, "segment": {got.segment, want.segment},
	} {
		if !maps.Equal(pair[0], pair[1]) {
			d.w.t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
		}
	}
	if other := d.victim.counts(d.friend).Drops; len(other) != 0 {
		d.w.t.Errorf("the friend is blamed for %v", other)
	}
	for _, body := range append(d.victim.bodies(), d.friend.bodies()...) {
		d.w.t.Errorf("delivered: %q", body)
	}
}

// TestDropsOnTheWayOut counts what cannot be sent.
func TestDropsOnTheWayOut(t *testing.T) {
	t.Run("no session", func(t *testing.T) {
		simulate(t, 8, func(w *world) {
			a, b := w.pair()
			start(a) // alone
			a.say(b, "hello?")
			w.pass(5 * time.Second) // a few frames wait for a session to come
			a.wantDrops(b, once("no_session"))
		})
	})
	t.Run("too big for the link", func(t *testing.T) {
		simulate(t, 8, func(w *world) {
			a, b := w.pair()
			start(a, b)
			w.pass(5 * time.Second) // the first frames of all may find no session yet
			w.talk(a, b, 3*time.Second)
			a.host.SetMTU(1300)
			a.inject(bare, ipFrame(station(2), station(1), 1400))
			w.pass(0)
			a.wantDrops(b, once("too_big"))
			if a.bodies() != nil {
				t.Error("a host hears of a size that is no concern of its")
			}
			w.within(10*time.Second, "the path is smaller", func() bool {
				p := a.peer(b).Path
				return p != nil && p.MTU <= 1300
			})
			a.inject(bare, ipFrame(station(2), station(1), 1400))
			w.pass(time.Second)
			if got := b.bodies(); len(got) != 1 || len(got[0]) != 1428 {
				t.Errorf("%d frames arrive", len(got))
			}
		})
	})
}

// wantDrops wants the member to have counted these about another, and its segment as well.
func (m *member) wantDrops(other *member, want map[string]uint64) {
	m.w.t.Helper()
	if got := m.counts(other).Drops; !maps.Equal(got, control.Counts(want)) {
		m.w.t.Errorf("%s drops %v of %s, want %v", m.name, got, other.name, want)
	}
	if got := m.Stats().Segments[0].Drops; !maps.Equal(got, control.Counts(want)) {
		m.w.t.Errorf("the segment drops %v, want %v", got, want)
	}
}
