package tunnel_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// Guests of a node whose segment has a device and VTEPs:
//
//	guest ─┐
//	guest ─┼─ node 127.x.y.1 --- 127.x.y.2 VTEP
//	device ┘

// A visitor is a guest and the device that it brought.
type visitor struct {
	*tunnel.Guest
	t      testing.TB
	device *tundevtest.Device
}

var every = tundev.Offloads{Csum: true, TSO: true, USO: true}

// admit has a guest join.
func admit(t testing.TB, n *tunnel.Node, r control.GuestRequest, o tundev.Offloads) *visitor {
	t.Helper()
	v := &visitor{t: t}
	g, err := n.AddGuest(r, func(d tundev.Options) (tundev.Device, error) {
		v.device = tundevtest.NewWith(d, o)
		return v.device, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Guest = g
	return v
}

// named is what a guest asks for that wants a name alone.
func named(name string) control.GuestRequest { return control.GuestRequest{Name: name} }

// refused wants a guest not to be let in, for a reason of that code.
func refused(t testing.TB, n *tunnel.Node, r control.GuestRequest, code control.Code) {
	t.Helper()
	_, err := n.AddGuest(r, func(tundev.Options) (tundev.Device, error) {
		t.Error("the device was opened")
		return nil, errors.New("opened")
	})
	if e := control.AsError(err); e == nil || e.Code != code {
		t.Errorf("%+v: %v, want an error of code %s", r, err, code)
	}
}

func (v *visitor) mac() ether.MAC { return v.Welcome().MAC }

func (v *visitor) send(frames ...[]byte) {
	v.t.Helper()
	for _, f := range frames {
		if err := v.device.Inject(offload.Header{}, f); err != nil {
			v.t.Fatal(err)
		}
	}
}

// expect wants exactly these frames next, finished.
func (v *visitor) expect(frames ...[]byte) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	for i, want := range frames {
		f, err := v.device.Next(ctx)
		if err != nil || string(f.Bytes) != string(want) || f.Header != (offload.Header{}) {
			v.t.Fatalf("frame %d is %+v % x, %v, want % x", i, f.Header, f.Bytes, err, want)
		}
	}
}

// why is how the guest's stay ended.
func (v *visitor) why() error {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	err := v.Wait(ctx)
	if ctx.Err() != nil {
		v.t.Fatal("the guest is still there")
	}
	return err
}

// TestGuestEverywhere has frames cross between a guest and everybody else, one to one and to all.
func TestGuestEverywhere(t *testing.T) {
	w := newNetwork(t)
	far := w.vtep(2)
	n := w.node(1, w.segment(1, 7, far.addr))
	a, b := admit(t, n.Node, named("a"), every), admit(t, n.Node, named("b"), every)
	device := mac(0x11)

	call := frame(ether.Broadcast, a.mac(), "who is there")
	a.send(call)
	n.expect(7, call)
	b.expect(call)
	far.expect(7, call)

	answer := frame(ether.Broadcast, mac(2), "I am")
	far.send(w.addr(1), 7, answer)
	n.expect(7, answer)
	a.expect(answer)
	b.expect(answer)

	shout := frame(ether.Broadcast, device, "and I")
	n.send(7, shout)
	a.expect(shout)
	b.expect(shout)
	far.expect(7, shout)

	toGuest, toDevice, toFar := frame(b.mac(), a.mac(), "1"), frame(device, a.mac(), "2"), frame(mac(2), a.mac(), "3")
	a.send(toGuest, toDevice, toFar)
	b.expect(toGuest)
	n.expect(7, toDevice)
	far.expect(7, toFar)

	fromDevice, fromFar := frame(a.mac(), device, "4"), frame(b.mac(), mac(2), "5")
	n.send(7, fromDevice)
	a.expect(fromDevice)
	far.send(w.addr(1), 7, fromFar)
	b.expect(fromFar)
	n.dropped(nil)
	for _, d := range []*tundevtest.Device{a.device, b.device, n.device(7)} {
		if more := d.Frames(); len(more) > 0 {
			t.Errorf("%s got %d frames too many", d.Name(), len(more))
		}
	}
}

// TestGuestShown is in status, FDB, stats and captures, and gone from them when it has left.
func TestGuestShown(t *testing.T) {
	w := newNetwork(t)
	n := w.node(1, w.segment(1, 7))
	a := admit(t, n.Node, control.GuestRequest{Program: "curl"}, every)
	a.Settle([]netip.Prefix{netip.MustParsePrefix("10.0.0.9/24")})
	behind := mac(77)
	a.send(frame(mac(0x11), a.mac(), "1"), frame(mac(0x11), behind, "2"))
	n.next(7)
	n.next(7)
	n.send(7, frame(a.mac(), mac(0x11), "333"))
	a.expect(frame(a.mac(), mac(0x11), "333"))

	port := control.FDBPort{Kind: control.PortGuest, Name: "curl"}
	if e, ok := n.entry(a.mac()); !ok || e.Port != port || e.Kind != control.EntryLocal {
		t.Errorf("its own address is %+v", e)
	}
	if e, ok := n.entry(behind); !ok || e.Port != port || e.Kind != control.EntryLearned {
		t.Errorf("an address behind it is %+v", e)
	}
	guests := n.Status().Segments[0].Guests
	if len(guests) != 1 || guests[0].Name != "curl" || guests[0].MAC != a.mac() ||
		!slices.Equal(guests[0].Addresses, []string{"10.0.0.9/24"}) {
		t.Errorf("status: %+v", guests)
	}
	if st := n.Stats().Guests; len(st) != 1 || st[0].RxFrames != 2 || st[0].RxBytes != 30 || st[0].TxFrames != 1 || st[0].TxBytes != 17 {
		t.Errorf("stats: %+v", st)
	}
	if r, err := n.AddFDB(control.FDBAdd{MAC: mac(99), Port: "curl"}); err != nil || r.Added != 1 {
		t.Errorf("pin: %+v, %v", r, err)
	}
	a.Leave()
	if err := a.why(); err != nil {
		t.Error(err)
	}
	for _, gone := range []ether.MAC{a.mac(), behind, mac(99)} {
		if e, ok := n.entry(gone); ok {
			t.Errorf("left behind: %+v", e)
		}
	}
	if s := n.Status().Segments[0]; len(s.Guests)+len(n.Stats().Guests) != 0 {
		t.Errorf("it has left, and is in %+v", s)
	}
	again := admit(t, n.Node, control.GuestRequest{Program: "curl"}, every)
	if again.mac() != a.mac() {
		t.Errorf("it comes again as %s, and was %s", again.mac(), a.mac())
	}
}

// TestGuestSuperFrames: a super-frame passes whole between devices that take it, and is cut for those that
// do not, whichever way it goes.
func TestGuestSuperFrames(t *testing.T) {
	w := newNetwork(t)
	n := w.node(1, w.segment(1, 7))
	fine, plain := admit(t, n.Node, named("fine"), every), admit(t, n.Node, named("plain"), tundev.Offloads{})
	h, f := tcpSuper(t, 2, 1, counting(20000), 1400)
	to := func(v *visitor) []byte {
		b := slices.Clone(f)
		m := v.mac()
		copy(b, m[:])
		return b
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	for name, from := range map[string]*tundevtest.Device{"device": n.device(7), "guest": fine.device} {
		whole := fine
		if from == fine.device {
			whole = admit(t, n.Node, named("third"), every)
		}
		for _, v := range []*visitor{whole, plain} {
			if err := from.Inject(h, to(v)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := whole.device.Next(ctx); err != nil || got.Header != h || len(got.Bytes) != len(f) {
			t.Errorf("%s: %+v of %d bytes, %v", name, got.Header, len(got.Bytes), err)
		}
		for left := 20000; left > 0; {
			got, err := plain.device.Next(ctx)
			if err != nil || got.Header != (offload.Header{}) || len(got.Bytes) > 1454 {
				t.Fatalf("%s: %+v of %d bytes, %v", name, got.Header, len(got.Bytes), err)
			}
			left -= len(got.Bytes) - 54
		}
	}
	n.dropped(nil)
}

// TestGuestRefused: names, addresses and numbers that cannot be.
func TestGuestRefused(t *testing.T) {
	w := newNetwork(t)
	o := w.segment(1, 7, w.addr(2))
	o.Device.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}
	n := w.node(1, o, w.segment(1, 8))
	on7 := func(r control.GuestRequest) control.GuestRequest { r.VNI = 7; return r }
	refused(t, n.Node, named("a"), control.CodeUsage) // which of the two
	refused(t, n.Node, control.GuestRequest{VNI: 9, Name: "a"}, control.CodeNotFound)
	refused(t, n.Node, on7(named("device")), control.CodeConflict)
	own := on7(named("a"))
	own.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/16")}
	refused(t, n.Node, own, control.CodeConflict)
	refused(t, n.Node, control.GuestRequest{VNI: 8, Name: "a", Auto: true}, control.CodeUsage) // no subnet

	first := admit(t, n.Node, on7(named("a")), every)
	first.Settle([]netip.Prefix{netip.MustParsePrefix("10.0.0.9/24")})
	refused(t, n.Node, on7(named("a")), control.CodeConflict)
	own.Name, own.Addresses[0] = "b", netip.MustParsePrefix("10.0.0.9/24")
	refused(t, n.Node, own, control.CodeConflict)
	if _, err := n.AddGuest(on7(named("b")), func(tundev.Options) (tundev.Device, error) {
		return nil, tundev.ErrInvalid
	}); !errors.Is(err, tundev.ErrInvalid) {
		t.Errorf("a device that is none: %v", err)
	}
	for i := 1; i < 64; i++ {
		g := admit(t, n.Node, on7(control.GuestRequest{Program: "a"}), every)
		if want := fmt.Sprintf("a-%d", i+1); g.Welcome().Name != want {
			t.Fatalf("guest %d is %s, want %s", i, g.Welcome().Name, want)
		}
	}
	refused(t, n.Node, on7(named("more")), control.CodeConflict)
	first.Leave()
	admit(t, n.Node, on7(named("more")), every)
}

// TestGuestAddresses: candidates are free hosts of the device's subnet, and an IPv6 host by the MAC.
func TestGuestAddresses(t *testing.T) {
	w := newNetwork(t)
	o := w.segment(1, 7)
	o.Device.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.3/29"), netip.MustParsePrefix("2001:db8::3/64")}
	n := w.node(1, o)
	a := admit(t, n.Node, control.GuestRequest{Name: "a", Auto: true}, every)
	a.Settle([]netip.Prefix{netip.MustParsePrefix("10.0.0.5/29")})
	b := admit(t, n.Node, control.GuestRequest{Name: "b", Auto: true}, every)
	var got []string
	for _, c := range b.Welcome().Candidates {
		if len(c) != 2 || c[1] != tundev.HostOf(netip.MustParsePrefix("2001:db8::/64"), b.mac()) {
			t.Errorf("candidate %v", c)
		}
		got = append(got, c[0].String())
	}
	slices.Sort(got)
	if want := []string{"10.0.0.2/29", "10.0.0.4/29", "10.0.0.6/29"}; !slices.Equal(got, want) {
		t.Errorf("candidates %v, want %v", got, want)
	}
	for i, host := range []string{"10.0.0.2/29", "10.0.0.4/29", "10.0.0.6/29"} {
		admit(t, n.Node, named(fmt.Sprint("c", i)), every).Settle([]netip.Prefix{netip.MustParsePrefix(host)})
	}
	refused(t, n.Node, control.GuestRequest{Name: "d", Auto: true}, control.CodeConflict)
}

// TestGuestLeaves for every reason there is.
func TestGuestLeaves(t *testing.T) {
	w := newNetwork(t)
	n := w.node(1, w.segment(1, 7), w.segment(1, 8))
	on := func(vni uint32, name string) *visitor {
		return admit(t, n.Node, control.GuestRequest{VNI: vni, Name: name}, every)
	}
	broken, dismissed, last := on(7, "broken"), on(8, "dismissed"), on(7, "last")
	if err := broken.device.Close(); err != nil {
		t.Fatal(err)
	}
	if e := control.AsError(broken.why()); e == nil || e.Code != control.CodeFailed {
		t.Errorf("its device is gone: %v", e)
	}
	if err := n.apply(w.segment(1, 7)); err != nil {
		t.Fatal(err)
	}
	if e := control.AsError(dismissed.why()); e == nil || e.Code != control.CodeNotFound {
		t.Errorf("its segment is gone: %v", e)
	}
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	if e := control.AsError(last.why()); e == nil || e.Code != control.CodeNoNode {
		t.Errorf("its node is gone: %v", e)
	}
	for _, v := range []*visitor{broken, dismissed, last} {
		if err := v.device.Inject(offload.Header{}, nil); !errors.Is(err, tundev.ErrClosed) {
			t.Errorf("the device of %s: %v", v.Welcome().Name, err)
		}
	}
	refused(t, n.Node, named("late"), control.CodeNoNode)
}

// TestGuestComesAndGoes under traffic from all sides: whoever is there, nothing breaks, and what stays
// gets all that is its own.
func TestGuestComesAndGoes(t *testing.T) {
	w := newNetwork(t)
	far := w.vtep(2)
	o := w.segment(1, 7, far.addr)
	o.FDB.Ageing = time.Minute
	n := w.node(1, o)
	stays := admit(t, n.Node, named("stays"), every)
	const rounds = 50
	var coming sync.WaitGroup
	for i := range 4 {
		coming.Go(func() {
			for range rounds {
				v := admit(t, n.Node, named(fmt.Sprint("g", i)), every)
				v.send(frame(ether.Broadcast, v.mac(), "hello"), frame(stays.mac(), mac(byte(100+i)), "to you"))
				_ = n.device(7).Inject(offload.Header{}, frame(v.mac(), mac(0x11), "from the device"))
				far.send(w.addr(1), 7, frame(v.mac(), mac(2), "from afar"))
				v.Leave()
			}
		})
	}
	coming.Wait()
	end := frame(stays.mac(), mac(0x11), "the end")
	n.send(7, end)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	for {
		f, err := stays.device.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if string(f.Bytes) == string(end) {
			break
		}
	}
	for _, e := range n.FDB(control.FDBFilter{}).Entries {
		if e.Port.Kind == control.PortGuest && e.Port.Name != "stays" {
			t.Errorf("left behind: %+v", e)
		}
	}
}

// TestGuestRights: peers hold a node to its certificate, so it says at once what they would drop.
func TestGuestRights(t *testing.T) {
	for name, c := range map[string]struct {
		rights roster.Rights
		none   bool // the node has no device
		guests int  // that are let in
	}{
		"any number":           {roster.Rights{Bridge: true}, false, 3},
		"one address":          {roster.Rights{}, false, 0},
		"one address, no card": {roster.Rights{}, true, 1},
		"three addresses":      {roster.Rights{Bridge: true, MACs: 3}, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 1, func(w *world) {
				g := newGuild(w)
				g.enlist(everything)
				f := g.enlist(c.rights)
				f.options.Segments[0].Device.None = c.none
				begin(f)
				for i := range c.guests {
					admit(t, f.Node, named(fmt.Sprint("g", i)), every)
				}
				if c.guests < 3 {
					refused(t, f.Node, named("more"), control.CodePermission)
				}
			})
		})
	}
}

// TestGuestPeers: a guest of one node and a guest of another talk through the sealed session, super-frames
// whole.
func TestGuestPeers(t *testing.T) {
	simulate(t, 1, func(w *world) {
		a, b := w.pair()
		start(a, b)
		w.up(time.Minute)
		here, there := admit(t, a.Node, named("here"), every), admit(t, b.Node, named("there"), every)
		if here.mac() == there.mac() {
			t.Fatalf("both guests are %s", here.mac())
		}
		hello := frame(ether.Broadcast, here.mac(), "hello")
		here.send(hello)
		there.expect(hello)
		h, f := tcpSuper(t, 2, 1, counting(20000), 1400)
		from, to := there.mac(), here.mac()
		copy(f, append(slices.Clone(to[:]), from[:]...))
		if err := there.device.Inject(h, f); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if got, err := here.device.Next(ctx); err != nil || got.Header != h || string(got.Bytes) != string(f) {
			t.Errorf("%+v of %d bytes, %v", got.Header, len(got.Bytes), err)
		}
	})
}
