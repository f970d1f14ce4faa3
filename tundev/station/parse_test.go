package station

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// Frames as Linux sends them, put down by hand from RFC 826 and RFC 4861.
func TestGolden(t *testing.T) {
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"ARP request": {
			arpRequest(ether.MAC{}, ownMAC, own4, peer4),
			"\xff\xff\xff\xff\xff\xff\xfe\x00\x00\x00\x00\x01\x08\x06" +
				"\x00\x01\x08\x00\x06\x04\x00\x01\xfe\x00\x00\x00\x00\x01\x0a\x00\x00\x01" +
				"\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x02",
		},
		"solicitation": {
			solicitation(ether.MAC{}, ownMAC, own6, peer6),
			"\x33\x33\xff\x00\x00\x02\xfe\x00\x00\x00\x00\x01\x86\xdd\x60\x00\x00\x00\x00\x20\x3a\xff" +
				"\xfd\x42\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
				"\xff\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff\x00\x00\x02" +
				"\x87\x00\x81\x12\x00\x00\x00\x00\xfd\x42\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" +
				"\x01\x01\xfe\x00\x00\x00\x00\x01",
		},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s:\n got %x\nwant %x", name, c.got, c.want)
		}
	}
}

// TestMalformedARP: each change of one field alone makes a question that is not answered.
func TestMalformedARP(t *testing.T) {
	for name, change := range map[string]func(f []byte){
		"hardware":         func(f []byte) { f[15] = 6 },
		"protocol":         func(f []byte) { f[16] = 0x86 },
		"MAC length":       func(f []byte) { f[18] = 8 },
		"address length":   func(f []byte) { f[19] = 16 },
		"operation":        func(f []byte) { f[21] = 3 },
		"sender group":     func(f []byte) { f[22] |= 1 },
		"sender zero":      func(f []byte) { clear(f[22:28]) },
		"sender us":        func(f []byte) { copy(f[22:], ownMAC[:]) },
		"sender multicast": func(f []byte) { f[28] = 224 },
		"sender everybody": func(f []byte) { copy(f[28:], "\xff\xff\xff\xff") },
	} {
		r := newRig(t)
		f := question(peerMAC, peer4, own4)
		change(f)
		if r.receive(f); len(r.sent()) != 0 || len(r.table) != 0 || r.Drops()["bad_discovery"] != 1 {
			t.Errorf("%s: accepted, %v", name, r.Drops())
		}
	}
	r := newRig(t)
	if r.receive(question(peerMAC, peer4, own4)[:41]); len(r.sent()) != 0 {
		t.Error("a message that is cut short is answered")
	}
}

// TestARPAnswers: an answer must be to us, about us.
func TestARPAnswers(t *testing.T) {
	for name, f := range map[string]ether.Frame{
		"to everybody":    arp{op: opReply, senderMAC: peerMAC, sender: peer4, targetMAC: ownMAC, target: own4}.frame(ether.Broadcast),
		"to another MAC":  arp{op: opReply, senderMAC: peerMAC, sender: peer4, targetMAC: otherMAC, target: own4}.frame(ownMAC),
		"to another host": arp{op: opReply, senderMAC: peerMAC, sender: peer4, targetMAC: ownMAC, target: far4}.frame(ownMAC),
	} {
		r := newRig(t)
		r.send(peer4)
		r.receive(f)
		if r.send(peer4) == peerMAC {
			t.Errorf("%s: believed", name)
		}
	}
}

// solicit is a solicitation for us with one thing changed, and its checksum made right again.
func changed(f ether.Frame, change func(f []byte)) ether.Frame {
	change(f)
	f[56], f[57] = 0, 0
	return finishICMP(f, 54)
}

func TestMalformedNDP(t *testing.T) {
	for name, change := range map[string]func(f []byte){
		"hop limit":              func(f []byte) { f[21] = 254 },
		"code":                   func(f []byte) { f[55] = 1 },
		"multicast target":       func(f []byte) { f[62] = 0xff },
		"multicast source":       func(f []byte) { f[22] = 0xff },
		"option of length 0":     func(f []byte) { f[79] = 0 },
		"option beyond its end":  func(f []byte) { f[79] = 2 },
		"group MAC":              func(f []byte) { f[80] |= 1 },
		"our MAC":                func(f []byte) { copy(f[80:], ownMAC[:]) },
		"trial with a MAC":       func(f []byte) { clear(f[22:38]) },
		"redirect":               func(f []byte) { f[54] = typeRedirect },
		"solicited advert to us": func(f []byte) { f[54], f[58] = typeAdvert, flagSolicited },
	} {
		r := newRig(t)
		f := changed(question(peerMAC, peer6, own6), change)
		if v := r.receive(f); v&Deliver != 0 || len(r.sent()) != 0 || len(r.table) != 0 || r.Drops()["bad_discovery"] != 1 {
			t.Errorf("%s: accepted, %v", name, r.Drops())
		}
	}
	for name, f := range map[string]ether.Frame{
		"checksum":      func() ether.Frame { f := question(peerMAC, peer6, own6); f[57]++; return f }(),
		"cut short":     question(peerMAC, peer6, own6)[:70],
		"hop-by-hop":    behindHopByHop(question(peerMAC, peer6, own6)),
		"group station": func() ether.Frame { f := question(peerMAC, peer6, own6); f[6] |= 1; return f }(),
		"endless":       finishICMP(append(question(peerMAC, peer6, own6), 14, 0, 0, 0, 0, 0, 0, 0), 54),
		"from nobody": discovery{
			kind: typeAdvert, src: netip.IPv6Unspecified(), dst: allNodes, target: peer6, mac: peerMAC,
		}.frame(groupMAC(allNodes), peerMAC),
		"half a MAC":    finishICMP(question(peerMAC, peer6, own6)[:82], 54),
		"two MACs":      finishICMP(append(question(peerMAC, peer6, own6), 1, 1, 2, 0, 0, 0, 0, 9), 54),
		"a long MAC":    finishICMP(append(append(question(peerMAC, peer6, own6)[:78], 1, 2), make([]byte, 14)...), 54),
		"trial of many": trialToMany(),
	} {
		r := newRig(t)
		if name != "checksum" && name != "cut short" && name != "hop-by-hop" {
			f = changed(f, func([]byte) {})
		}
		if r.receive(f); len(r.sent()) != 0 || r.Drops()["bad_discovery"] != 1 {
			t.Errorf("%s: accepted, %v", name, r.Drops())
		}
	}
}

// behindHopByHop puts a hop-by-hop header before a message.
func behindHopByHop(f ether.Frame) ether.Frame {
	out := append(append(bytes.Clone(f[:54]), 58, 0, 1, 4, 0, 0, 0, 0), f[54:]...)
	out[20], out[64], out[65] = 0, 0, 0
	return finishICMP(out, 62)
}

// trialToMany tries our address before everybody, which no host does.
func trialToMany() ether.Frame {
	return discovery{
		kind: typeSolicit, src: netip.IPv6Unspecified(), dst: allNodes, target: own6,
	}.frame(groupMAC(allNodes), peerMAC)
}

// TestNDPAnswers: an answer must be solicited, to us, and have a MAC unless it was asked directly.
func TestNDPAnswers(t *testing.T) {
	base := discovery{
		kind: typeAdvert, flags: flagSolicited | flagOverride, src: peer6, dst: own6, target: peer6, mac: peerMAC,
	}
	unsolicited, elsewhere, bare := base, base, base
	unsolicited.flags, elsewhere.dst, bare.mac = flagOverride, far6, ether.MAC{}
	for name, d := range map[string]discovery{"unsolicited": unsolicited, "to another": elsewhere, "bare": bare} {
		r := newRig(t)
		r.send(peer6)
		r.receive(d.frame(ownMAC, peerMAC))
		if r.send(peer6) == peerMAC {
			t.Errorf("%s: believed", name)
		}
	}
	r := newRig(t)
	r.send(peer6)
	r.receive(base.frame(ownMAC, peerMAC))
	r.pass(reachableFor)
	r.sent()
	r.send(peer6)
	r.receive(bare.frame(ownMAC, otherMAC))
	if n := r.table[peer6]; n.state != probing {
		t.Errorf("an answer without a MAC by another leaves it in state %d", n.state)
	}
	r.receive(bare.frame(ownMAC, peerMAC))
	if n := r.table[peer6]; n.state != reachable {
		t.Errorf("a direct answer without a MAC leaves it in state %d", n.state)
	}
}

// check holds a station to its bounds after anything.
func (r *rig) check() {
	r.t.Helper()
	for _, f := range r.sent() {
		if !f.Valid() || f.Src() != ownMAC {
			r.t.Fatalf("it sends %x", f)
		}
		if etherType, off := f.Payload(); etherType == ether.TypeARP {
			if a, ok := parseARP(f[off:]); !ok || a.senderMAC != ownMAC || r.own(a.sender) == nil && !a.sender.IsUnspecified() {
				r.t.Fatalf("it says %+v", a)
			}
		}
	}
	if len(r.table) > maxNeighbours || r.waiting > maxWaitingBytes {
		r.t.Fatalf("%d neighbours, %d bytes wait", len(r.table), r.waiting)
	}
}

// hammer gives a rig one frame in several situations.
func hammer(t *testing.T, payload []byte, etherType byte) {
	for _, dst := range []ether.MAC{ownMAC, ether.Broadcast} {
		r := newRig(t)
		f := append(append(append(ether.Frame{}, dst[:]...), peerMAC[:]...), etherType, 6)
		if etherType == 0x86 {
			f[13] = 0xdd
		}
		f = append(f, payload...)
		r.send(peer4)
		r.send(peer6)
		for range 2 {
			r.receive(f)
			r.check()
			r.pass(time.Second)
			r.check()
		}
		if r.own(own4) == nil || r.own(own4).state != assigned || r.own(own6).state != assigned {
			t.Fatal("an address in use is given up")
		}
	}
}

func FuzzARP(f *testing.F) {
	for _, m := range []ether.Frame{
		question(peerMAC, peer4, own4), answer(peerMAC, peer4), boast(otherMAC, own4), boast(otherMAC, peer4),
	} {
		f.Add([]byte(m[ether.HeaderLen:]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, ok := parseARP(b); ok {
			if again := a.frame(peerMAC)[ether.HeaderLen:]; !bytes.Equal(again, b[:arpLen]) {
				t.Errorf("%x is encoded as %x", b, again)
			}
		}
		hammer(t, b, 0x08)
	})
}

func FuzzNDP(f *testing.F) {
	for _, m := range []ether.Frame{
		question(peerMAC, peer6, own6), answer(peerMAC, peer6), boast(otherMAC, own6), boast(otherMAC, peer6),
		question(peerMAC, netip.IPv6Unspecified(), own6), mldQuery(netip.IPv6Unspecified(), false, nil),
		mldQuery(solicitedNode(own6), true, nil),
	} {
		f.Add([]byte(m[ether.HeaderLen:]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, ok := parseDiscovery(b); ok {
			again, ok := parseDiscovery(d.frame(peerMAC, otherMAC)[ether.HeaderLen:])
			if !ok || again != d {
				t.Errorf("%+v is encoded as %+v", d, again)
			}
		}
		hammer(t, b, 0x86)
		if len(b) >= ether.IPv6HeaderLen && b[0]>>4 == 6 { // the same with a right checksum
			if _, at, ok := icmpOf(b); ok && at+4 <= len(b) {
				whole := append(make([]byte, ether.HeaderLen), b...)
				whole[ether.HeaderLen+at+2], whole[ether.HeaderLen+at+3] = 0, 0
				hammer(t, finishICMP(whole, ether.HeaderLen+at)[ether.HeaderLen:], 0x86)
			}
		}
	})
}

// FuzzFrame: any frame from the segment, and any packet from the system, leaves the station in its bounds, and
// what is delivered is a part of the frame.
func FuzzFrame(f *testing.F) {
	tagged := append(append(ether.Frame{}, question(peerMAC, peer4, own4)[:12]...), 0x81, 0, 0, 0, 8, 6)
	for _, m := range []ether.Frame{
		question(peerMAC, peer4, own4), answer(peerMAC, peer6), packet(peer4, own4), tagged,
		mldQuery(netip.IPv6Unspecified(), false, nil),
	} {
		f.Add([]byte(m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newRig(t)
		r.send(peer4)
		r.send(peer6)
		offset, v := r.Inbound(bytes.Clone(b))
		if v&Deliver != 0 && (offset < ether.HeaderLen || offset+ether.IPv4HeaderLen > len(b)) {
			t.Errorf("delivered from %d of %d bytes", offset, len(b))
		}
		if v&Control != 0 {
			r.Handle(r.now, bytes.Clone(b))
		}
		r.check()
		r.Outbound(r.now, new(offload.Header), bytes.Clone(b))
		r.pass(time.Second)
		r.check()
	})
}

// TestFloodOfQueries: however many ask which groups the station is in, it answers once, in time.
func TestFloodOfQueries(t *testing.T) {
	r := newRig(t)
	for range 1000 {
		r.receive(mldQuery(netip.IPv6Unspecified(), false, nil))
		r.receive(mldQuery(solicitedNode(own6), false, nil))
	}
	if n := len(r.sent()); n != 0 {
		t.Errorf("%d reports at once", n)
	}
	r.pass(maxDelay)
	if n := len(r.sent()); n != 1 {
		t.Errorf("%d reports", n)
	}
}
