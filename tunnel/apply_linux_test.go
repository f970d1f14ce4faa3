package tunnel_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// apply makes the segments of a node others.
func (n *node) apply(segments ...tunnel.SegmentOptions) error {
	o := n.options
	o.Segments = segments
	return n.Apply(o)
}

// TestApplySegments adds a segment and removes one while another carries traffic.
func TestApplySegments(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	kept, first, second := w.segment(1, 7, v.addr), w.segment(1, 8, v.addr), w.segment(1, 9, v.addr)
	n := w.node(1, kept, first)
	f := frame(ether.Broadcast, mac(1), "x")
	n.send(7, f)
	v.expect(7, f)
	removed := n.device(8)
	if err := n.apply(kept, second); err != nil {
		t.Fatal(err)
	}
	n.send(9, f)
	v.expect(9, f)
	v.send(w.addr(1), 9, frame(mac(1), mac(2), "y"))
	n.expect(9, frame(mac(1), mac(2), "y"))
	if err := removed.Inject(offload.Header{}, f); !errors.Is(err, tundev.ErrClosed) {
		t.Errorf("the device of the segment that went: %v", err)
	}
	v.send(w.addr(1), 8, f)
	n.dropped(map[string]uint64{"vni_unknown": 1})
	n.send(7, f)
	v.expect(7, f)
	eventually(t, func() bool { return n.stats(7).TxFrames == 2 },
		func() string { return fmt.Sprintf("the segment that stayed counts anew: %+v", n.stats(7)) })
	if e, ok := n.entry(mac(1)); !ok || e.VNI != 7 {
		t.Errorf("the segment that stayed learned anew: %+v", e)
	}
}

// TestApplyWithin changes everything that may change within a segment.
func TestApplyWithin(t *testing.T) {
	w := newNetwork(t)
	one, two := w.vtep(2), w.vtep(3)
	o := w.segment(1, 7, one.addr)
	o.Static = []tunnel.StaticEntry{{MAC: mac(9), VTEP: one.addr}}
	n := w.node(1, o)
	learned := frame(ether.Broadcast, mac(5), "x")
	one.send(w.addr(1), 7, learned)
	n.expect(7, learned)

	o.Plain.Remotes = []netip.AddrPort{one.addr, two.addr}
	o.Static = []tunnel.StaticEntry{{MAC: mac(9), VTEP: two.addr}}
	o.Device.MTU = 1300
	o.FDB = bridge.Options{Learn: false, Ageing: time.Minute}
	if err := n.apply(o); err != nil {
		t.Fatal(err)
	}
	if mtu := n.device(7).MTU(); mtu != 1300 {
		t.Errorf("MTU %d", mtu)
	}
	everybody := frame(ether.Broadcast, mac(1), "all")
	n.send(7, everybody, frame(mac(5), mac(1), "learned before"), frame(mac(9), mac(1), "pinned anew"))
	one.expect(7, everybody, frame(mac(5), mac(1), "learned before"))
	two.expect(7, everybody, frame(mac(9), mac(1), "pinned anew"))
	if _, ok := n.entry(mac(1)); ok {
		t.Error("learned, though that is off")
	}

	o.Plain.Remotes = []netip.AddrPort{two.addr}
	if err := n.apply(o); err != nil {
		t.Fatal(err)
	}
	if _, ok := n.entry(mac(5)); ok {
		t.Error("an address behind a remote that is gone is still known")
	}
	one.send(w.addr(1), 7, learned)
	n.dropped(map[string]uint64{"vtep_unknown": 1})
	n.send(7, everybody)
	two.expect(7, everybody)
}

// TestApplyFails leaves everything as it was when the last of several changes cannot be made.
func TestApplyFails(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	o := w.segment(1, 7, v.addr)
	broken := errors.New("no more devices")
	n := &node{t: t, devices: make(map[string]*tundevtest.Device)}
	n.options = tunnel.Options{
		Listen: []netip.AddrPort{w.addr(1)}, Segments: []tunnel.SegmentOptions{o},
		OpenDevice: func(d tundev.Options) (tundev.Device, error) {
			if d.Name == "none99" {
				return nil, broken
			}
			return n.open(tundevtest.NewWith(d, tundev.Offloads{})), nil
		},
	}
	n.start()
	f := frame(ether.Broadcast, mac(1), "x")
	n.send(7, f)
	v.expect(7, f)
	status, fdb := n.Status(), n.FDB(control.FDBFilter{})

	changed := w.segment(1, 7)
	changed.Device.MTU = 1000
	for name, c := range map[string]struct {
		segments []tunnel.SegmentOptions
		want     string
	}{
		"a device that cannot be had": {
			[]tunnel.SegmentOptions{changed, w.segment(1, 8), w.segment(1, 99)}, broken.Error(),
		},
		"a remote of a family without a socket": {
			[]tunnel.SegmentOptions{changed, w.segment(1, 8), w.segment(1, 50, netip.MustParseAddrPort("[2001:db8::1]:4789"))},
			"remote 2001:db8::1 needs a listen.vxlan address of its family",
		},
	} {
		err := n.apply(c.segments...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		again := n.Status()
		again.UptimeSeconds = status.UptimeSeconds
		if !reflect.DeepEqual(again, status) {
			t.Errorf("%s: status was %+v, is %+v", name, status, again)
		}
		if now := n.FDB(control.FDBFilter{}); len(now.Entries) != len(fdb.Entries) {
			t.Errorf("%s: FDB was %+v, is %+v", name, fdb, now)
		}
		if d := n.device(8); !d.State().Up || d.Inject(offload.Header{}, f) == nil {
			t.Errorf("%s: the device that was opened on the way is open still", name)
		}
		n.send(7, f)
		v.expect(7, f)
	}
}

// TestApplyAfterwards finds a node that has ended.
func TestApplyAfterwards(t *testing.T) {
	w := newNetwork(t)
	n := w.node(1, w.segment(1, 7))
	n.stopped()
	if err := n.apply(w.segment(1, 7)); err == nil {
		t.Error("a node that has ended was changed")
	}
	if st := n.Status(); len(st.Segments) != 1 || len(n.Stats().Segments) != 1 {
		t.Errorf("%+v", st) // may still be asked
	}
}

// TestStopUnderTraffic ends a node within a second while both directions are busy.
func TestStopUnderTraffic(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	n := w.node(1, w.segment(1, 7, v.addr))
	ctx, cancel := context.WithCancel(context.Background())
	busy := make(chan struct{}, 2)
	pump := func(do func()) {
		for ctx.Err() == nil {
			do()
		}
		busy <- struct{}{}
	}
	f := encap(7, frame(ether.Broadcast, mac(2), "x"))
	go pump(func() {
		if _, err := v.conn.WriteToUDPAddrPort(f, w.addr(1)); err != nil {
			cancel()
		}
	})
	go pump(func() { _ = n.device(7).Inject(offload.Header{}, frame(ether.Broadcast, mac(1), "y")) })
	eventually(t, func() bool { return n.stats(7).RxFrames > 500 && n.stats(7).TxFrames > 500 },
		func() string { return "no traffic" })
	start := time.Now()
	n.stopped()
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s", took)
	}
	cancel()
	<-busy
	<-busy
}

// TestCloseUnrun frees a node that never ran.
func TestCloseUnrun(t *testing.T) {
	w := newNetwork(t)
	o := tunnel.Options{
		Listen: []netip.AddrPort{w.addr(1)}, Segments: []tunnel.SegmentOptions{w.segment(1, 7)},
		OpenDevice: func(d tundev.Options) (tundev.Device, error) {
			return tundevtest.NewWith(d, tundev.Offloads{}), nil
		},
	}
	n, err := tunnel.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Apply(tunnel.Options{}); err == nil {
		t.Error("a node that does not run was changed")
	}
	n.Close()
	w.vtep(1) // the address is free, and now taken
	if _, err := tunnel.New(o); err == nil || !strings.HasPrefix(err.Error(), "listen on "+w.addr(1).String()) {
		t.Errorf("an address in use: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	empty, err := tunnel.New(tunnel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Run(ctx); err != nil {
		t.Errorf("a node without segments: %v", err)
	}
}
