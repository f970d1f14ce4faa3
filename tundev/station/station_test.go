package station

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

var (
	ownMAC   = ether.MAC{0xfe, 0, 0, 0, 0, 1}
	peerMAC  = ether.MAC{2, 0, 0, 0, 0, 2}
	otherMAC = ether.MAC{2, 0, 0, 0, 0, 3}

	own4, peer4, far4 = addr("10.0.0.1"), addr("10.0.0.2"), addr("203.0.113.9")
	own6, peer6, far6 = addr("fd42::1"), addr("fd42::2"), addr("2001:db8::9")
	ownLocal          = addr("fe80::1")
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// A rig is a station with its own clock.
type rig struct {
	*Station
	t   testing.TB
	now time.Duration
}

// newRig is a station that has tried and told its addresses.
func newRig(t testing.TB) *rig {
	t.Helper()
	r := newTentative(t)
	r.pass(5 * time.Second)
	r.sent()
	return r
}

func newTentative(t testing.TB) *rig {
	t.Helper()
	r := &rig{Station: New(ownMAC), t: t}
	r.SetAddresses(0, []netip.Prefix{
		netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd42::1/64"), netip.MustParsePrefix("fe80::1/64"),
	})
	return r
}

// pass lets time go by as a clock would.
func (r *rig) pass(d time.Duration) {
	end := r.now + d
	for r.Due() <= end {
		r.now = max(r.now, r.Due())
		r.Tick(r.now)
	}
	r.now = end
}

// sent takes what the station has to send.
func (r *rig) sent() (frames []ether.Frame) {
	r.t.Helper()
	buf := make([]byte, 70000)
	for {
		n, _, ok := r.Next(buf)
		if !ok {
			return frames
		}
		frames = append(frames, bytes.Clone(buf[:n]))
	}
}

// one wants exactly one frame to be sent.
func (r *rig) one() ether.Frame {
	r.t.Helper()
	f := r.sent()
	if len(f) != 1 {
		r.t.Fatalf("%d frames are sent, want 1: %x", len(f), f)
	}
	return f[0]
}

// receive gives the station a frame.
func (r *rig) receive(f ether.Frame) Verdict {
	_, v := r.Inbound(f)
	if v&Control != 0 {
		r.Handle(r.now, f)
	}
	return v
}

// packet is a small IP packet of UDP behind room for an Ethernet header.
func packet(src, dst netip.Addr) []byte {
	f := make([]byte, ether.HeaderLen, 128)
	if src.Is4() {
		f = append(f, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0)
		f = append(append(f, src.AsSlice()...), dst.AsSlice()...)
		ether.PutIPv4Checksum(f[ether.HeaderLen:])
	} else {
		f = append(f, 0x60, 0, 0, 0, 0, 8, 17, 64)
		f = append(append(f, src.AsSlice()...), dst.AsSlice()...)
	}
	return append(f, 0, 1, 0, 2, 0, 8, 0, 0)
}

// send has the host send a packet and reports where its frame goes at once, zero for nowhere yet.
func (r *rig) send(dst netip.Addr) ether.MAC {
	src := own4
	if dst.Is6() {
		src = own6
	}
	f := packet(src, dst)
	if !r.Outbound(r.now, new(offload.Header), f) {
		return ether.MAC{}
	}
	return ether.Frame(f).Dst()
}

// answer is what the host at mac says when it is asked for a, which is its own.
func answer(mac ether.MAC, a netip.Addr) ether.Frame {
	if a.Is4() {
		return arp{op: opReply, senderMAC: mac, sender: a, targetMAC: ownMAC, target: own4}.frame(ownMAC)
	}
	return advertisement(ownMAC, mac, a, own6, a)
}

// boast is what it says unasked.
func boast(mac ether.MAC, a netip.Addr) ether.Frame {
	if a.Is4() {
		return arpRequest(ether.MAC{}, mac, a, a)
	}
	return advertisement(groupMAC(allNodes), mac, a, allNodes, a)
}

// question is that for target by a host.
func question(mac ether.MAC, src, target netip.Addr) ether.Frame {
	if target.Is4() {
		return arpRequest(ether.MAC{}, mac, src, target)
	}
	return solicitation(ether.MAC{}, mac, src, target)
}

// wanted reports for whom a frame asks, and whether directly.
func wanted(t testing.TB, f ether.Frame) (target netip.Addr, direct bool) {
	t.Helper()
	if etherType, off := f.Payload(); etherType == ether.TypeARP {
		a, ok := parseARP(f[off:])
		if !ok || a.op != opAsk || a.senderMAC != ownMAC || f.Src() != ownMAC {
			t.Fatalf("%x asks for nobody", f)
		}
		return a.target, f.Dst() != ether.Broadcast
	}
	d, ok := parseDiscovery(f[ether.HeaderLen:])
	if !ok || d.kind != typeSolicit || !d.src.IsUnspecified() && d.mac != ownMAC {
		t.Fatalf("%x asks for nobody", f)
	}
	return d.target, !f.Dst().IsMulticast()
}

// both runs f for either family.
func both(t *testing.T, f func(t *testing.T, r *rig, own, peer netip.Addr)) {
	t.Run("IPv4", func(t *testing.T) { f(t, newRig(t), own4, peer4) })
	t.Run("IPv6", func(t *testing.T) { f(t, newRig(t), own6, peer6) })
}

func TestResolves(t *testing.T) {
	both(t, func(t *testing.T, r *rig, own, peer netip.Addr) {
		for range 5 { // two more than are kept
			if mac := r.send(peer); !mac.IsZero() {
				t.Fatalf("sent to %s at once", mac)
			}
		}
		if who, direct := wanted(t, r.one()); who != peer || direct {
			t.Errorf("asked for %s, directly %v", who, direct)
		}
		r.receive(answer(peerMAC, peer))
		frames := r.sent()
		if len(frames) != maxWaiting {
			t.Fatalf("%d packets waited", len(frames))
		}
		want := packet(own, peer)
		putHeader(want, peerMAC, ownMAC, peer.Is6())
		if !bytes.Equal(frames[0], want) {
			t.Errorf("sent %x, want %x", frames[0], want)
		}
		if mac := r.send(peer); mac != peerMAC {
			t.Errorf("the next goes to %s", mac)
		}
		if n := r.Drops()["unresolved"]; n != 2 {
			t.Errorf("%d are counted as dropped", n)
		}
	})
}

func TestGivesUpAndTriesAgain(t *testing.T) {
	both(t, func(t *testing.T, r *rig, _, peer netip.Addr) {
		r.send(peer)
		r.pass(asks*askEvery + time.Millisecond)
		if n := len(r.sent()); n != asks {
			t.Errorf("asked %d times", n)
		}
		r.send(peer)
		if n := len(r.sent()); n != 0 || r.Drops()["unresolved"] != 2 {
			t.Errorf("asked again at once: %d, %v", n, r.Drops())
		}
		r.receive(answer(peerMAC, peer)) // too late to be believed
		if r.send(peer) == peerMAC {
			t.Error("an answer to no open question is believed")
		}
		r.pass(failedFor)
		r.send(peer)
		wanted(t, r.one())
	})
}

// TestStale: a neighbour that was not heard for a while is asked directly while it is used, and everybody is
// when it does not answer.
func TestStale(t *testing.T) {
	both(t, func(t *testing.T, r *rig, _, peer netip.Addr) {
		r.send(peer)
		r.receive(answer(peerMAC, peer))
		r.pass(reachableFor)
		r.sent()
		if mac := r.send(peer); mac != peerMAC {
			t.Fatalf("goes to %s", mac)
		}
		if who, direct := wanted(t, r.one()); who != peer || !direct {
			t.Errorf("asked for %s, directly %v", who, direct)
		}
		r.receive(answer(peerMAC, peer))
		r.pass(askEvery * 2)
		if f := r.sent(); len(f) != 0 {
			t.Errorf("asked again after the answer: %x", f)
		}
		r.pass(reachableFor)
		r.send(peer)
		r.pass(asks * askEvery)
		all := r.sent()
		if _, direct := wanted(t, all[len(all)-1]); direct || len(all) != asks+1 {
			t.Errorf("%d questions, the last directly: %v", len(all), direct)
		}
		r.receive(answer(otherMAC, peer))
		if mac := r.send(peer); mac != otherMAC {
			t.Errorf("after it moved it goes to %s", mac)
		}
	})
}

// TestPoison: what nobody asked for changes nothing, but has whom we know asked.
func TestPoison(t *testing.T) {
	both(t, func(t *testing.T, r *rig, own, peer netip.Addr) {
		for _, f := range []ether.Frame{answer(otherMAC, peer), boast(otherMAC, peer)} {
			r.receive(f)
			if len(r.table) != 0 {
				t.Fatal("learned from what nobody asked for")
			}
		}
		r.send(peer)
		r.receive(boast(otherMAC, peer)) // to everybody, so it is no answer
		r.receive(answer(peerMAC, peer))
		r.sent()
		for range 1000 {
			r.receive(answer(otherMAC, peer))
			r.receive(boast(otherMAC, peer))
			r.receive(question(otherMAC, peer, own))
		}
		if mac := r.send(peer); mac != peerMAC {
			t.Fatalf("goes to %s", mac)
		}
		questions := 0
		for _, f := range r.sent() {
			if f.Dst() == peerMAC {
				questions++
			}
		}
		if questions != 1 || r.Drops()["unasked"] < 2000 {
			t.Errorf("%d questions, drops %v", questions, r.Drops())
		}
		r.receive(answer(otherMAC, peer)) // it was not asked
		r.receive(answer(peerMAC, peer))
		r.pass(5 * time.Second)
		if mac := r.send(peer); mac != peerMAC {
			t.Errorf("goes to %s although the right one answered", mac)
		}
	})
}

func TestAnswersForItself(t *testing.T) {
	both(t, func(t *testing.T, r *rig, own, peer netip.Addr) {
		r.receive(question(peerMAC, peer, own))
		f := r.one()
		if f.Dst() != peerMAC || f.Src() != ownMAC {
			t.Errorf("answered from %s to %s", f.Src(), f.Dst())
		}
		if mac := r.send(peer); mac != peerMAC { // it was learned, as it talked to us about our address
			t.Errorf("the answer goes to %s", mac)
		}
		r.sent()
		r.receive(question(peerMAC, peer, own.Next().Next()))
		r.receive(question(peerMAC, unspecified(own), own.Next().Next()))
		if f := r.sent(); len(f) != 0 {
			t.Errorf("answered for somebody else: %x", f)
		}
		r.receive(question(peerMAC, unspecified(own), own)) // tries our address
		if f := r.one(); own.Is4() && f.Dst() != peerMAC || own.Is6() && f.Dst() != groupMAC(allNodes) {
			t.Errorf("the trial is answered to %s", f.Dst())
		}
	})
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// TestFlood: questions without end are answered at a rate, and leave room for neighbours that are used.
func TestFlood(t *testing.T) {
	both(t, func(t *testing.T, r *rig, own, peer netip.Addr) {
		r.send(peer)
		r.receive(answer(peerMAC, peer))
		r.sent()
		src := own
		for i := range 20000 {
			if src = src.Next(); !r.onLink(src) || src == peer {
				src = peer.Next()
			}
			r.receive(question(ether.MAC{2, 1, byte(i >> 8), byte(i)}, src, own))
		}
		if n := len(r.sent()); n != replyBurst {
			t.Errorf("%d answers at once", n)
		}
		if n := len(r.table); n > maxPassive+1 {
			t.Errorf("%d neighbours", n)
		}
		if mac := r.send(peer); mac != peerMAC {
			t.Errorf("the neighbour is at %s", mac)
		}
		r.pass(time.Second)
		r.sent()
		r.receive(question(peerMAC, peer, own))
		if len(r.sent()) != 1 {
			t.Error("no answer when the flood is over")
		}
	})
}

// TestDoubt: claims that are refuted again and again cost one question a second.
func TestDoubt(t *testing.T) {
	both(t, func(t *testing.T, r *rig, _, peer netip.Addr) {
		r.send(peer)
		r.receive(answer(peerMAC, peer))
		r.sent()
		for range 100 {
			r.receive(boast(otherMAC, peer))
			r.receive(answer(peerMAC, peer))
		}
		if n := len(r.sent()); n != 1 {
			t.Errorf("%d questions", n)
		}
	})
}

// TestAcquaintances: hosts that ask for us are remembered up to a number, and only if they are on the segment.
func TestAcquaintances(t *testing.T) {
	both(t, func(t *testing.T, r *rig, own, _ netip.Addr) {
		far := far4
		if own.Is6() {
			far = far6
		}
		r.receive(question(peerMAC, far, own))
		if len(r.table) != 0 || len(r.sent()) != 1 {
			t.Error("a host of another network is remembered, or not answered")
		}
		r.SetAddresses(r.now, []netip.Prefix{netip.PrefixFrom(own, 16)})
		src := own
		for range 2 * maxNeighbours {
			src = src.Next()
			r.pass(10 * time.Millisecond)
			r.receive(question(peerMAC, src, own))
		}
		if n := len(r.table); n != maxPassive {
			t.Errorf("%d are remembered", n)
		}
	})
}

// TestBounds: neither packets that wait nor frames that nobody takes fill memory.
func TestBounds(t *testing.T) {
	r := newRig(t)
	dst := peer6
	for range 100 {
		dst = dst.Next()
		r.Outbound(r.now, new(offload.Header), append(packet(own6, dst), make([]byte, 60000)...))
	}
	if r.waiting > maxWaitingBytes || r.waiting < maxWaitingBytes/2 {
		t.Errorf("%d bytes wait", r.waiting)
	}
	for range 2 * maxOut {
		r.Emit(question(ownMAC, own4, peer4))
	}
	if n := len(r.sent()); n != maxOut {
		t.Errorf("%d frames wait to be taken", n)
	}
}

// TestScan: a host that sends to addresses without end neither fills memory nor keeps others out for ever.
func TestScan(t *testing.T) {
	r := newRig(t)
	dst := peer6
	for range 10 * maxNeighbours {
		dst = dst.Next()
		r.send(dst)
		r.sent()
	}
	if len(r.table) > maxNeighbours || r.waiting > maxWaitingBytes || r.Drops()["neighbours_full"] == 0 {
		t.Errorf("%d neighbours, %d bytes wait, %v", len(r.table), r.waiting, r.Drops())
	}
	r.pass(10 * time.Second)
	r.sent()
	if r.waiting != 0 {
		t.Errorf("%d bytes wait after all gave up", r.waiting)
	}
	r.send(peer6)
	wanted(t, r.one())
}

func TestRoutes(t *testing.T) {
	r := newRig(t)
	if r.send(far4); r.Drops()["no_route"] != 1 {
		t.Errorf("without a route: %v", r.Drops())
	}
	gateway4, gateway6, near := addr("10.0.0.254"), addr("fe80::fe"), addr("10.0.0.253")
	r.SetRoutes([]Route{
		{netip.MustParsePrefix("0.0.0.0/0"), gateway4},
		{netip.MustParsePrefix("203.0.113.0/24"), near},
		{netip.MustParsePrefix("203.0.113.8/31"), netip.Addr{}}, // on the segment itself
		{netip.MustParsePrefix("::/0"), gateway6},
	})
	for dst, want := range map[netip.Addr]netip.Addr{
		far4: far4, addr("203.0.113.1"): near, addr("198.51.100.1"): gateway4, far6: gateway6, peer4: peer4,
	} {
		r.send(dst)
		if who, _ := wanted(t, r.one()); who != want {
			t.Errorf("to %s by way of %s, want %s", dst, who, want)
		}
	}
	for _, dst := range []netip.Addr{own4, addr("127.0.0.1"), addr("0.0.0.0"), addr("::")} {
		if r.send(dst); len(r.sent()) != 0 {
			t.Errorf("something is sent for %s", dst)
		}
	}
}

func TestGroups(t *testing.T) {
	r := newRig(t)
	for dst, want := range map[string]string{
		"239.255.1.2": "01:00:5e:7f:01:02", "224.0.0.251": "01:00:5e:00:00:fb", "ff02::fb": "33:33:00:00:00:fb",
		"255.255.255.255": "ff:ff:ff:ff:ff:ff", "10.0.0.255": "ff:ff:ff:ff:ff:ff",
	} {
		if mac := r.send(addr(dst)); mac.String() != want {
			t.Errorf("%s goes to %s, want %s", dst, mac, want)
		}
	}
}

// TestOutboundRefuses: what is no IP packet, and what only the station may say.
func TestOutboundRefuses(t *testing.T) {
	r := newRig(t)
	for _, f := range [][]byte{
		nil, make([]byte, 14), make([]byte, 60), append(make([]byte, 14), 0x45, 0, 0),
		advertisement(peerMAC, ownMAC, own6, peer6, own6), solicitation(peerMAC, ownMAC, own6, peer6),
	} {
		if r.Outbound(r.now, new(offload.Header), f) || len(r.sent()) != 0 {
			t.Errorf("%x is sent", f)
		}
	}
	if d := r.Drops(); d["malformed"] != 4 || d["own_discovery"] != 2 {
		t.Errorf("drops %v", d)
	}
}

// TestInbound: only what is for this host reaches it.
func TestInbound(t *testing.T) {
	r := newRig(t)
	frame := func(dst ether.MAC, to netip.Addr) ether.Frame {
		f := packet(peer4, to)
		if to.Is6() {
			f = packet(peer6, to)
		}
		putHeader(f, dst, peerMAC, to.Is6())
		return f
	}
	tag := func(f ether.Frame, tci uint16) ether.Frame {
		out := append(bytes.Clone(f[:12]), 0x81, 0)
		return append(binary.BigEndian.AppendUint16(out, tci), f[12:]...)
	}
	echo := frame(ownMAC, own4)
	copy(echo[6:], ownMAC[:])
	lying := frame(ownMAC, own4)
	lying[13] = 0xdd
	lying[12] = 0x86
	for name, c := range map[string]struct {
		f      ether.Frame
		offset int
		v      Verdict
		reason string
	}{
		"IPv4":               {frame(ownMAC, own4), 14, Deliver, ""},
		"IPv6":               {frame(ownMAC, own6), 14, Deliver, ""},
		"to be forwarded":    {frame(ownMAC, far4), 14, Deliver, ""},
		"priority tag":       {tag(frame(ownMAC, own4), 0xe000), 18, Deliver, ""},
		"VLAN":               {tag(frame(ownMAC, own4), 5), 0, Discard, "not_ours"},
		"two tags":           {tag(tag(frame(ownMAC, own4), 0), 0), 0, Discard, "not_ours"},
		"other station":      {frame(otherMAC, own4), 0, Discard, "not_ours"},
		"own echo":           {echo, 0, Discard, "not_ours"},
		"broadcast":          {frame(ether.Broadcast, addr("10.0.0.255")), 14, Deliver, ""},
		"limited broadcast":  {frame(ether.Broadcast, broadcastAddr), 14, Deliver, ""},
		"multicast":          {frame(ether.MAC{1, 0, 0x5e, 0, 0, 1}, addr("224.0.0.1")), 14, Deliver, ""},
		"IPv6 multicast":     {frame(ether.MAC{0x33, 0x33, 0, 0, 0, 1}, allNodes), 14, Deliver, ""},
		"one host in many":   {frame(ether.Broadcast, own4), 0, Discard, "unicast_in_group"},
		"one host in many 6": {frame(ether.MAC{0x33, 0x33, 0, 0, 0, 1}, own6), 0, Discard, "unicast_in_group"},
		"ARP":                {question(peerMAC, peer4, own4), 14, Control, ""},
		"solicitation":       {question(peerMAC, peer6, own6), 14, Control, ""},
		"another protocol":   {ether.Frame("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x02\x88\xb5hello"), 0, Discard, "not_ip"},
		"version lies":       {lying, 0, Discard, "malformed"},
		"cut short":          {frame(ownMAC, own4)[:20], 0, Discard, "malformed"},
		"runt":               {frame(ownMAC, own4)[:13], 0, Discard, "malformed"},
	} {
		before := r.Drops()[c.reason]
		offset, v := r.Inbound(c.f)
		if v != c.v || v != Discard && offset != c.offset || c.reason != "" && r.Drops()[c.reason] != before+1 {
			t.Errorf("%s: verdict %d at %d, drops %v", name, v, offset, r.Drops())
		}
	}
}

// TestOffloads: a super-frame's metadata follow the Ethernet header, there and back, also by way of the queue.
func TestOffloads(t *testing.T) {
	r := newRig(t)
	meta := offload.Header{
		Flags: offload.NeedsCsum, GSOType: offload.GSOTCPv4, GSOSize: 1448, HdrLen: 52, CsumStart: 20, CsumOffset: 16,
	}
	want := meta
	want.HdrLen, want.CsumStart = 66, 34
	super := append(packet(own4, peer4), make([]byte, 60000)...)
	h := meta
	r.Outbound(r.now, &h, super)
	r.receive(answer(peerMAC, peer4))
	buf := make([]byte, 70000)
	_, _, _ = r.Next(buf) // the question
	n, queued, ok := r.Next(buf)
	if !ok || queued != want || n != len(super) {
		t.Errorf("queued %+v of %d bytes, want %+v of %d", queued, n, want, len(super))
	}
	h = meta
	if !r.Outbound(r.now, &h, super) || h != want {
		t.Errorf("at once %+v, want %+v", h, want)
	}
	if !Strip(&h, 14) || h != meta {
		t.Errorf("stripped %+v, want %+v", h, meta)
	}
	h = offload.Header{Flags: offload.NeedsCsum, CsumStart: 13}
	if Strip(&h, 14) {
		t.Error("metadata that points before the packet passes")
	}
}

func TestAllocations(t *testing.T) {
	r := newRig(t)
	r.send(peer4)
	r.receive(answer(peerMAC, peer4))
	r.sent()
	out, in := packet(own4, peer4), packet(peer4, own4)
	putHeader(in, ownMAC, peerMAC, false)
	if n := testing.AllocsPerRun(100, func() {
		h := offload.Header{Flags: offload.NeedsCsum, CsumStart: 20}
		if !r.Outbound(r.now, &h, out) {
			t.Fatal("not sent")
		}
		offset, v := r.Inbound(in)
		if v != Deliver || !Strip(&h, offset) {
			t.Fatal("not delivered")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a packet out and one in", n)
	}
}
