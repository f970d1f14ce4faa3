package tunnel_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
)

// TestFinishedFrames has peers whose devices take different things get what they take.
func TestFinishedFrames(t *testing.T) {
	for name, o := range map[string]tundev.Offloads{
		"all": {Csum: true, TSO: true, USO: true}, "no USO": {Csum: true, TSO: true},
		"checksums": {Csum: true}, "none": {},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 21, func(w *world) {
				a, b := w.pair()
				b.options.OpenDevice = func(opt tundev.Options) (tundev.Device, error) {
					b.device = tundevtest.NewWith(opt, o)
					return b.device, nil
				}
				start(a, b)
				w.talk(a, b, 3*time.Second)
				w.pass(5 * time.Second)
				b.device.Frames()
				s := newSink(t, 50000)
				a.inject(tcpSuperFrame(station(b.i), station(a.i), 0, 40000))
				a.inject(tcpSuperFrame(station(b.i), station(a.i), 40000, 1000))
				w.pass(time.Second)
				got := b.device.Frames()
				onlyTaken(t, o, got)
				s.take(got)
				if s.bytes != 41000 {
					t.Errorf("%d bytes of the flow arrive", s.bytes)
				}
			})
		})
	}
}

// onlyTaken wants a super-frame and a small frame as the device takes them.
func onlyTaken(t *testing.T, o tundev.Offloads, got []tundevtest.Frame) {
	t.Helper()
	for _, f := range got {
		if f.Header.IsSuper() && !o.TSO || f.Header != bare && !o.Csum {
			t.Errorf("the device gets %+v", f.Header)
		}
	}
	if o.TSO && len(got) != 2 || !o.TSO && len(got) < 30 {
		t.Errorf("%d frames", len(got))
	}
}

// TestUDPSuperFrame carries what USO makes of a flow to a device that takes it and to one that does not.
func TestUDPSuperFrame(t *testing.T) {
	for name, o := range map[string]tundev.Offloads{"all": {Csum: true, TSO: true, USO: true}, "none": {}} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 22, func(w *world) {
				a, b := w.pair()
				b.options.OpenDevice = func(opt tundev.Options) (tundev.Device, error) {
					b.device = tundevtest.NewWith(opt, o)
					return b.device, nil
				}
				start(a, b)
				w.talk(a, b, 3*time.Second)
				b.device.Frames()
				const size, count = 1200, 30
				f := ipFrame(station(b.i), station(a.i), size*count)
				for i := range count {
					binary.BigEndian.PutUint32(f[42+i*size:], uint32(i))
					copy(f[46+i*size:], pattern(uint32(i), size-4))
				}
				ip, _ := ether.ParseIP(f)
				binary.BigEndian.PutUint16(f[40:], ip.PseudoSum(f, ether.ProtoUDP, 8+size*count))
				a.inject(offload.Header{
					Flags: offload.NeedsCsum, GSOType: offload.GSOUDPL4, HdrLen: 42, GSOSize: size,
					CsumStart: 34, CsumOffset: 6,
				}, f)
				w.pass(time.Second)
				s := newSink(t, 0)
				s.take(b.device.Frames())
				if len(s.numbers) != count {
					t.Errorf("%d of %d datagrams arrive", len(s.numbers), count)
				}
				if s.supers > 0 != o.USO {
					t.Errorf("%d super-frames", s.supers)
				}
			})
		})
	}
}
