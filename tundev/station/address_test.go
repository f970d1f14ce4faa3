package station

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// TestStart: every address is tried, then told of, and its group reported; packets wait until then.
func TestStart(t *testing.T) {
	r := newTentative(t)
	r.send(peer4)
	r.receive(question(peerMAC, peer4, own4))
	r.receive(question(peerMAC, peer6, own6))
	var probed, told []netip.Addr
	groups := map[netip.Addr]bool{}
	for step := range 100 {
		r.pass(50 * time.Millisecond)
		for _, f := range r.sent() {
			etherType, off := f.Payload()
			d, isND := parseDiscovery(f[off:])
			a, _ := parseARP(f[off:])
			switch {
			case etherType == ether.TypeARP && a.sender.IsUnspecified():
				probed = append(probed, a.target)
			case etherType == ether.TypeARP && a.sender == a.target:
				told = append(told, a.target)
			case etherType == ether.TypeARP && a.target == peer4 && a.sender == own4 && step*50 >= 700: // what waited
			case isND && d.kind == typeSolicit && d.src.IsUnspecified():
				probed = append(probed, d.target)
			case isND && d.kind == typeAdvert && d.dst == allNodes:
				told = append(told, d.target)
			case !isND && etherType == ether.TypeIPv6:
				reported(t, f, groups)
			default:
				t.Errorf("after %d ms: %x", step*50, f)
			}
		}
		if len(told) > 0 && len(probed) != 3*probes {
			t.Fatalf("told of %v after %d probes", told, len(probed))
		}
	}
	if len(told) != 3*announcements || !groups[solicitedNode(own6)] || !groups[solicitedNode(ownLocal)] {
		t.Errorf("told of %v, groups %v", told, groups)
	}
	if r.Due() != never {
		t.Errorf("something is due at %v", r.Due())
	}
}

// reported notes the groups of a report of MLDv2.
func reported(t *testing.T, f ether.Frame, groups map[netip.Addr]bool) {
	t.Helper()
	p := f[ether.HeaderLen:]
	m, ok := message(p)
	if !ok || m[0] != typeReportV2 || p[7] != 1 || p[6] != 0 || !bytes.Equal(p[40:48], []byte{58, 0, 5, 2, 0, 0, 1, 0}) ||
		f.Dst() != groupMAC(allRouters) {
		t.Fatalf("%x is no report", f)
	}
	for i := range int(binary.BigEndian.Uint16(m[6:])) {
		groups[netip.AddrFrom16([16]byte(m[8+20*i+4:]))] = true
	}
}

// TestDuplicate: an address that another has or tries, too, is not used, until the other has gone.
func TestDuplicate(t *testing.T) {
	for name, f := range map[string]ether.Frame{
		"answers": arp{
			op: opReply, senderMAC: peerMAC, sender: own4, targetMAC: ownMAC, target: netip.IPv4Unspecified(),
		}.frame(ownMAC),
		"says so":   boast(peerMAC, own4),
		"tries":     question(peerMAC, netip.IPv4Unspecified(), own4),
		"6 answers": boast(peerMAC, own6),
		"6 tries":   question(peerMAC, netip.IPv6Unspecified(), own6),
		"6 uses":    question(peerMAC, own6, peer6),
	} {
		r := newTentative(t)
		r.pass(100 * time.Millisecond)
		own, peer := own4, peer4
		if name[0] == '6' {
			own, peer = own6, peer6
		}
		r.send(peer) // waits, and is lost then
		r.receive(f)
		c := r.NewConflicts()
		if len(c) != 1 || c[0] != (Conflict{own, peerMAC, true}) || len(r.NewConflicts()) != 0 {
			t.Errorf("%s: conflicts %v", name, c)
		}
		r.pass(10 * time.Second)
		r.sent()
		r.receive(question(peerMAC, peer, own))
		r.send(peer)
		if f := r.sent(); len(f) != 0 || r.Drops()["address_taken"] != 2 || len(r.Conflicts(r.now)) != 1 {
			t.Errorf("%s: %x is sent, %v, %v", name, f, r.Drops(), r.Conflicts(r.now))
		}
		r.pass(tryAgain + 5*time.Second)
		r.sent()
		if r.send(peer); len(r.sent()) != 1 || len(r.Conflicts(r.now)) != 0 {
			t.Errorf("%s: it is not used after a minute", name)
		}
	}
}

// TestDefends: an address that is ours is defended, but not in a war, and stays in use.
func TestDefends(t *testing.T) {
	both(t, func(t *testing.T, r *rig, own, peer netip.Addr) {
		for range 100 {
			r.receive(boast(peerMAC, own))
		}
		f := r.one()
		if !f.Dst().IsMulticast() || f.Src() != ownMAC {
			t.Errorf("defended with %x", f)
		}
		if c := r.Conflicts(r.now); len(c) != 1 || c[0] != (Conflict{own, peerMAC, false}) {
			t.Errorf("conflicts %v", c)
		}
		r.pass(defendEvery)
		r.receive(boast(peerMAC, own))
		r.one()
		r.send(peer)
		r.one()
		r.pass(2 * tryAgain)
		if c := r.Conflicts(r.now); len(c) != 0 {
			t.Errorf("conflicts are remembered: %v", c)
		}
	})
}

func TestAddressesChange(t *testing.T) {
	r := newRig(t)
	r.SetAddresses(r.now, []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.9.0.1/16")})
	r.receive(question(peerMAC, peer4, own4)) // it stays ours, without a new trial
	if len(r.sent()) != 1 {
		t.Error("the address that stays is not answered for")
	}
	r.receive(question(peerMAC, peer6, own6))
	if f := r.sent(); len(f) != 0 {
		t.Errorf("answered for an address that is gone: %x", f)
	}
	if r.send(peer6); r.Drops()["no_route"] != 1 {
		t.Errorf("the network that is gone: %v", r.Drops())
	}
	r.pass(5 * time.Second)
	r.sent()
	r.send(addr("10.9.1.1"))
	if who, _ := wanted(t, r.one()); who != addr("10.9.1.1") {
		t.Errorf("asked for %s", who)
	}
	r.Announce(r.now)
	r.pass(5 * time.Second)
	if n := len(r.sent()); n < 2*announcements {
		t.Errorf("%d frames tell of two addresses", n)
	}
}

func TestSourceFor(t *testing.T) {
	r := newRig(t)
	for to, want := range map[string]netip.Addr{
		"10.0.0.9": own4, "192.0.2.1": own4, "fd42::9": own6, "fe80::9": ownLocal, "2001:db8::1": ownLocal,
	} {
		if got, ok := r.sourceFor(addr(to)); !ok || got != want {
			t.Errorf("asks for %s from %s, want %s", to, got, want)
		}
	}
}

// mldQuery is one of a router; v1 is the old kind.
func mldQuery(group netip.Addr, v1 bool, change func([]byte)) ether.Frame {
	f := newICMP(groupMAC(allNodes), peerMAC, addr("fe80::2"), allNodes, 0, 1)
	f = append(f, 58, 0, 5, 2, 0, 0, 1, 0)
	g := group.As16()
	f = append(append(f, typeQuery, 0, 0, 0, 0x3, 0xe8, 0, 0), g[:]...)
	if !v1 {
		f = append(f, 2, 125, 0, 0)
	}
	if change != nil {
		change(f)
	}
	return finishICMP(f, 62)
}

func TestQueries(t *testing.T) {
	all := netip.IPv6Unspecified()
	for name, c := range map[string]struct {
		f       ether.Frame
		answers int
	}{
		"all":                {mldQuery(all, false, nil), 1},
		"one":                {mldQuery(solicitedNode(own6), false, nil), 1},
		"another":            {mldQuery(addr("ff02::fb"), false, nil), 0},
		"of the old kind":    {mldQuery(all, true, nil), 1}, // both groups are the same one
		"no group":           {mldQuery(own6, false, nil), 0},
		"from afar":          {mldQuery(all, false, func(f []byte) { f[21] = 2 }), 0},
		"not link-local":     {mldQuery(all, false, func(f []byte) { f[22] = 0x20 }), 0},
		"to one host":        {mldQuery(all, false, func(f []byte) { copy(f, ownMAC[:]); copy(f[38:], own6.AsSlice()) }), 0},
		"longer than it may": {mldQuery(all, false, func(f []byte) { f[66], f[67] = 0xff, 0xff }), 1},
	} {
		r := newRig(t)
		if r.receive(c.f) == Discard {
			t.Errorf("%s: discarded", name)
		}
		r.receive(c.f) // asked twice, answered once
		r.pass(maxDelay)
		if f := r.sent(); len(f) != c.answers {
			t.Errorf("%s: %d answers", name, len(f))
		}
	}
}

// TestTentativeWaits: packets from an address under trial are bounded.
func TestTentativeWaits(t *testing.T) {
	r := newTentative(t)
	for range 3 * maxHeld {
		if r.Outbound(0, new(offload.Header), packet(own4, addr("224.0.0.9"))) {
			t.Fatal("sent from an address under trial")
		}
	}
	r.pass(5 * time.Second)
	sent := slices.DeleteFunc(r.sent(), func(f ether.Frame) bool { return f.Dst() != ether.MAC{1, 0, 0x5e, 0, 0, 9} })
	if len(sent) != maxHeld {
		t.Errorf("%d packets waited", len(sent))
	}
}
