package capture_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"go.uber.org/goleak"

	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	noon  = time.Date(2026, 1, 2, 12, 0, 0, 123456789, time.UTC)
	frame = []byte("\xff\xff\xff\xff\xff\xff\x52\x54\x00\x1a\x22\x01\x88\xb5inner")
	vtep4 = netip.MustParseAddrPort("192.0.2.7:4789")
	here4 = netip.MustParseAddrPort("198.51.100.1:50000")
	vtep6 = netip.MustParseAddrPort("[2001:db8::7]:4789")
	here6 = netip.MustParseAddrPort("[2001:db8::1]:50000")
)

// record captures what put puts, from attaching to a cancelled context.
func record(t *testing.T, snaplen int, put func(*capture.Tap)) []byte {
	t.Helper()
	var tap capture.Tap
	l := tap.Attach(capture.Options{SnapLen: snaplen})
	put(&tap)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var file bytes.Buffer
	if err := l.Run(ctx, &file); err != nil {
		t.Fatal(err)
	}
	if tap.On() {
		t.Error("the tap is still on after Run")
	}
	return file.Bytes()
}

// A shown packet is what a reader of the file sees.
type shown struct {
	Interface int
	Data      string
	Length    int
	Comment   string
	Direction pcapgo.NgEpbFlag
}

// read gives the packets of a file and the last statistics of its interfaces.
func read(t *testing.T, file []byte) (list []shown, last map[int]pcapgo.NgInterfaceStatistics) {
	t.Helper()
	last = make(map[int]pcapgo.NgInterfaceStatistics)
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.NgReaderOptions{
		WantMixedLinkType:  true,
		StatisticsCallback: func(i int, s pcapgo.NgInterfaceStatistics) { last[i] = s },
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, ci, o, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !ci.Timestamp.Equal(noon) {
			t.Errorf("time %v, want %v", ci.Timestamp, noon)
		}
		s := shown{Interface: ci.InterfaceIndex, Data: string(data), Length: ci.Length}
		if len(o.Comments) > 0 {
			s.Comment = strings.Join(o.Comments, "|")
		}
		if o.Flags != nil {
			s.Direction = o.Flags.Direction
		}
		list = append(list, s)
	}
	checkInterfaces(t, r)
	return list, last
}

func checkInterfaces(t *testing.T, r *pcapgo.NgReader) {
	t.Helper()
	links := []layers.LinkType{layers.LinkTypeEthernet, layers.LinkTypeRaw, layers.LinkTypeEthernet}
	if r.NInterfaces() != len(links) {
		t.Fatalf("%d interfaces, want %d", r.NInterfaces(), len(links))
	}
	for i, link := range links {
		in, err := r.Interface(i)
		if err != nil {
			t.Fatal(err)
		}
		if in.Name != capture.Point(i).String() || in.LinkType != link || in.TimestampResolution != 9 {
			t.Errorf("interface %d: %+v", i, in)
		}
	}
}

func TestReadBack(t *testing.T) {
	file := record(t, 0, func(tap *capture.Tap) {
		tap.Put(&capture.Packet{
			Point: capture.Inner, In: true, Time: noon, Data: frame,
			VNI: 4242, Port: "192.0.2.7", Decision: "flood",
		})
		tap.Put(&capture.Packet{Point: capture.Inner, Time: noon, Data: frame[:17]})
		tap.Put(&capture.Packet{
			Point: capture.Dropped, In: true, Time: noon, Data: frame,
			VNI: 1<<24 - 1, Drop: drop.StaticConflict,
		})
		tap.Put(&capture.Packet{Point: 77, Time: noon, Data: frame}) // no such point
	})
	list, last := read(t, file)
	want := []shown{
		{
			0, string(frame), len(frame), "vni=4242 port=192.0.2.7 decision=flood",
			pcapgo.NgEpbFlagDirectionInbound,
		},
		{0, string(frame[:17]), 17, "", pcapgo.NgEpbFlagDirectionOutbound},
		{
			2, string(frame), len(frame), "vni=16777215 drop=static_conflict",
			pcapgo.NgEpbFlagDirectionInbound,
		},
	}
	if d := cmp.Diff(want, list); d != "" {
		t.Errorf("the file shows something else (-want +got):\n%s", d)
	}
	if s := last[0]; s.PacketsReceived != 2 || s.PacketsDropped != 0 || !s.LastUpdate.Equal(noon) {
		t.Errorf("statistics of inner: %+v", s)
	}
	if _, ok := last[1]; ok {
		t.Error("statistics of an interface without packets")
	}
}

func TestOuterHeaders(t *testing.T) {
	payload := []byte("\x08\x00\x00\x00\x00\x10\x92\x00odd")
	mapped := netip.AddrPortFrom(netip.AddrFrom16(vtep4.Addr().As16()), vtep4.Port())
	for name, c := range map[string]struct {
		src, dst netip.AddrPort
		want     string
	}{
		"IPv4": {
			here4, vtep4,
			"\x45\x00\x00\x27\x00\x00\x00\x00\x40\x11\x8e\x8a\xc6\x33\x64\x01\xc0\x00\x02\x07" +
				"\xc3\x50\x12\xb5\x00\x13\x00\x00",
		},
		"IPv4 in IPv6, from a wildcard": {
			netip.MustParseAddrPort("[::]:4789"), mapped,
			"\x45\x00\x00\x27\x00\x00\x00\x00\x40\x11\xb8\xbf\x00\x00\x00\x00\xc0\x00\x02\x07" +
				"\x12\xb5\x12\xb5\x00\x13\x00\x00",
		},
		"IPv6": {
			here6, vtep6,
			"\x60\x00\x00\x00\x00\x13\x11\x40" +
				"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
				"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
				"\xc3\x50\x12\xb5\x00\x13\x60\xd3",
		},
		"nothing known": {
			netip.AddrPort{},
			netip.AddrPort{},
			"\x60\x00\x00\x00\x00\x13\x11\x40" + strings.Repeat("\x00", 32) +
				"\x00\x00\x00\x00\x00\x13\x92\x53",
		},
	} {
		list, _ := read(t, record(t, 0, func(tap *capture.Tap) {
			tap.Put(&capture.Packet{
				Point: capture.Outer, Time: noon, Data: payload, Src: c.src, Dst: c.dst,
			})
		}))
		if got := list[0]; got.Interface != 1 || got.Data != c.want+string(payload) {
			t.Errorf("%s: interface %d, %x\nwant %x", name, got.Interface, got.Data, c.want)
		}
	}
}

func TestSnaplen(t *testing.T) {
	for _, n := range []int{1, 14, 20, 30, 48, 49, 51, 1000} {
		file := record(t, n, func(tap *capture.Tap) {
			tap.Put(&capture.Packet{Point: capture.Inner, Time: noon, Data: frame})
			tap.Put(&capture.Packet{
				Point: capture.Outer, Time: noon, Data: frame, Src: here6, Dst: vtep6,
			})
		})
		list, _ := read(t, file)
		for i, whole := range []int{len(frame), 48 + len(frame)} {
			if p := list[i]; p.Length != whole || len(p.Data) != min(n, whole) {
				t.Errorf("snaplen %d: %d of %d bytes, want %d of %d",
					n, len(p.Data), p.Length, min(n, whole), whole)
			}
		}
	}
}

func TestLongNamesAreCut(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	list, _ := read(t, record(t, 0, func(tap *capture.Tap) {
		tap.Put(&capture.Packet{Time: noon, Data: frame, Port: long, Decision: long})
	}))
	x := long[:255]
	if want := "port=" + x + " decision=" + x; list[0].Comment != want {
		t.Errorf("comment of %d bytes, want %d", len(list[0].Comment), len(want))
	}
}

// TestLive has a reader at the other end of a pipe see each packet while the capture goes on.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tap capture.Tap
		l := tap.Attach(capture.Options{})
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			err := l.Run(ctx, bufio.NewWriter(w)) // shows nothing unless it is flushed
			w.Close()
			ended <- err
		}()
		ng, err := pcapgo.NewNgReader(r, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range byte(3) {
			tap.Put(&capture.Packet{Time: noon, Data: []byte{i, 0, 0, 0, 0, 0, 0, 0}})
			data, _, err := ng.ReadPacketData()
			if err != nil || data[0] != i {
				t.Fatalf("packet %d: %x, %v", i, data, err)
			}
		}
		cancel()
		if _, _, err := ng.ReadPacketData(); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v", err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A gate is a writer that blocks until it is opened.
type gate struct {
	open chan struct{}
	buf  bytes.Buffer
}

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	return g.buf.Write(b)
}

// TestSlowWriter puts far more than the buffers hold while the writer is stuck: Put returns at
// once, nothing is torn, and the file says how much is missing. Another listener gets everything.
func TestSlowWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, size = 4000, 9000
		var tap capture.Tap
		ctx, cancel := context.WithCancel(t.Context())
		slow := &gate{open: make(chan struct{})}
		var quick bytes.Buffer
		var wg sync.WaitGroup
		ls, lq := tap.Attach(capture.Options{}), tap.Attach(capture.Options{SnapLen: 100})
		run := func(l *capture.Listener, w io.Writer) {
			if err := l.Run(ctx, w); err != nil {
				t.Error(err)
			}
		}
		wg.Go(func() { run(ls, slow) })
		wg.Go(func() { run(lq, &quick) })
		for range n {
			tap.Put(&capture.Packet{Time: noon, Data: make([]byte, size)})
			synctest.Wait()
		}
		close(slow.open)
		cancel()
		wg.Wait()
		list, last := read(t, slow.buf.Bytes())
		s := last[0]
		if len(list) == 0 || s.PacketsReceived != n || s.PacketsDropped != uint64(n-len(list)) {
			t.Errorf("%d packets in the file, statistics %+v", len(list), s)
		}
		if held := len(list) * size; held > 4<<20 {
			t.Errorf("the listener held %d bytes", held)
		}
		if list, last = read(t, quick.Bytes()); len(list) != n || last[0].PacketsDropped != 0 {
			t.Errorf("the quick listener has %d packets, statistics %+v", len(list), last[0])
		}
	})
}

// TestLossIsReportedWhileRunning does not wait for the end of the capture.
func TestLossIsReportedWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tap capture.Tap
		l := tap.Attach(capture.Options{})
		for range 300 {
			tap.Put(&capture.Packet{Point: capture.Dropped, Time: noon, Data: make([]byte, 9000)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		var file bytes.Buffer
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := l.Run(ctx, &file); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		list, last := read(t, bytes.Clone(file.Bytes()))
		if lost := uint64(300 - len(list)); lost == 0 || last[2].PacketsDropped != lost {
			t.Errorf("%d lost, statistics %+v", lost, last[2])
		}
		cancel()
		wg.Wait()
	})
}

type brokenWriter struct{ after int }

var errBroken = errors.New("broken pipe")

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.after--; b.after < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestWriteError(t *testing.T) {
	for after := range 3 { // the header, a packet, the statistics
		var tap capture.Tap
		l := tap.Attach(capture.Options{})
		tap.Put(&capture.Packet{Time: noon, Data: frame})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := l.Run(ctx, &brokenWriter{after})
		if !errors.Is(err, errBroken) || tap.On() {
			t.Errorf("writer that breaks at write %d: %v, on: %v", after, err, tap.On())
		}
	}
}

func TestTapIsFreeWhenOff(t *testing.T) {
	var none *capture.Tap
	off, on := new(capture.Tap), new(capture.Tap)
	on.Attach(capture.Options{SnapLen: 64})
	for name, tap := range map[string]*capture.Tap{"nil": none, "off": off, "on": on} {
		if tap.On() != (tap == on) {
			t.Errorf("%s: On is %v", name, tap.On())
		}
		if n := testing.AllocsPerRun(1000, func() {
			tap.Put(&capture.Packet{
				Point: capture.Outer, Time: noon, Data: frame, Src: here6, Dst: vtep6,
				VNI: 4242, Port: "nas", Decision: "unicast", Drop: drop.TooBig,
			})
		}); n != 0 {
			t.Errorf("%s: Put allocates %v times", name, n)
		}
	}
}

// TestConcurrentUse has several goroutines put while listeners come and go.
func TestConcurrentUse(t *testing.T) {
	var tap capture.Tap
	var put, listen sync.WaitGroup
	for i := range capture.Point(3) {
		put.Go(func() {
			for range 3000 {
				tap.Put(&capture.Packet{Point: i, Time: noon, Data: frame, Src: here4, Dst: vtep4})
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	early, leave := context.WithCancel(ctx)
	files := make([]bytes.Buffer, 8)
	for i := range files {
		l, until := tap.Attach(capture.Options{}), []context.Context{ctx, early}[i%2]
		listen.Go(func() {
			if err := l.Run(until, &files[i]); err != nil {
				t.Error(err)
			}
		})
	}
	leave() // half of them leave under traffic
	put.Wait()
	cancel()
	listen.Wait()
	if tap.On() {
		t.Error("the tap is on without listeners")
	}
	for i := range files {
		list, last := read(t, files[i].Bytes())
		var all uint64
		for _, s := range last {
			all += s.PacketsReceived - s.PacketsDropped
		}
		if uint64(len(list)) != all {
			t.Errorf("file %d has %d packets and says %d", i, len(list), all)
		}
	}
}

// A lateWriter has the engine put a packet whenever the file seems complete.
type lateWriter struct {
	bytes.Buffer
	tap *capture.Tap
}

func (w *lateWriter) Flush() { w.tap.Put(&capture.Packet{Time: noon, Data: frame}) }

// TestStatisticsEndWithTheFile counts no packet that came too late to be written.
func TestStatisticsEndWithTheFile(t *testing.T) {
	var tap capture.Tap
	l := tap.Attach(capture.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &lateWriter{tap: &tap}
	if err := l.Run(ctx, w); err != nil {
		t.Fatal(err)
	}
	list, last := read(t, w.Bytes())
	if n := last[0].PacketsReceived; n == 0 || n != uint64(len(list)) {
		t.Errorf("%d packets in the file, statistics say %d", len(list), n)
	}
}

func TestPointNames(t *testing.T) {
	for p, want := range []string{"inner", "outer", "dropped", "invalid"} {
		if got := capture.Point(p).String(); got != want {
			t.Errorf("point %d is %q, want %q", p, got, want)
		}
	}
}

// FuzzPut checks that whatever the engine hands over, the file can be read.
func FuzzPut(f *testing.F) {
	f.Add(uint8(0), frame, "nas", "flood", uint32(4242), uint8(3), 0)
	f.Add(uint8(1), []byte{}, "", "", uint32(0), uint8(0), 1)
	f.Add(uint8(2), frame[:15], "two words", "", uint32(1<<32-1), uint8(255), 33)
	f.Fuzz(func(t *testing.T, p uint8, data []byte, port, dec string, vni uint32, d uint8, snap int) {
		point := capture.Point(p % 3)
		list, _ := read(t, record(t, snap, func(tap *capture.Tap) {
			tap.Put(&capture.Packet{
				Point: point, Time: noon, Data: data, Src: here6, Dst: vtep6,
				VNI: vni, Port: port, Decision: dec, Drop: drop.Reason(d),
			})
		}))
		if len(list) != 1 || list[0].Interface != int(point) {
			t.Errorf("the file shows %d packets: %+v", len(list), list)
		}
		if snap <= 0 && !strings.HasSuffix(list[0].Data, string(data)) {
			t.Errorf("data %x is shown as %x", data, list[0].Data)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	data := make([]byte, 1500)
	p := &capture.Packet{Point: capture.Inner, Time: noon, Data: data, VNI: 4242, Port: "nas"}
	for _, listeners := range []string{"off", "on"} {
		b.Run(listeners, func(b *testing.B) {
			var tap capture.Tap
			if listeners == "on" {
				l := tap.Attach(capture.Options{})
				ctx, cancel := context.WithCancel(b.Context())
				var wg sync.WaitGroup
				defer wg.Wait()
				defer cancel()
				wg.Go(func() { l.Run(ctx, io.Discard) }) // which cannot fail
			}
			for b.Loop() {
				tap.Put(p)
			}
		})
	}
}

func TestOneSegment(t *testing.T) {
	var tap capture.Tap
	ctx, cancel := context.WithCancel(t.Context())
	l := tap.Attach(capture.Options{VNI: 7})
	for _, vni := range []uint32{0, 6, 7, 8} {
		tap.Put(&capture.Packet{VNI: vni, Data: make([]byte, 14+vni), Time: time.Unix(1, 0)})
	}
	cancel()
	var file bytes.Buffer
	if err := l.Run(ctx, &file); err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(file.Bytes(), []byte("vni=")); got != 1 {
		t.Errorf("%d packets, want the one of vni 7", got)
	}
}
