package capture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

const secret = "what nobody else may read, and is long enough to be cut off by no header's length at all"

// ethernet is a frame from 52:54:00:1a:22:01 of an EtherType, behind the VLAN tags given.
func ethernet(kind uint16, payload []byte, vlans ...uint16) []byte {
	f := append([]byte{}, 0x52, 0x54, 0, 0x1a, 0x22, 2, 0x52, 0x54, 0, 0x1a, 0x22, 1)
	for _, v := range vlans {
		f = binary.BigEndian.AppendUint16(append(f, 0x81, 0), v)
	}
	return append(binary.BigEndian.AppendUint16(f, kind), payload...)
}

func ipv4(proto byte, fragment uint16, payload ...byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2}
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	binary.BigEndian.PutUint16(b[6:], fragment)
	return append(b, payload...)
}

func ipv6(next byte, payload ...byte) []byte {
	b := append(make([]byte, 0, 200), 0x60, 0, 0, 0, 0, byte(len(payload)), next, 64)
	b = append(b, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
	b = append(b, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)
	return append(b, payload...)
}

// tcp is a header with so many bytes of options, and payload behind it.
func tcp(options int) []byte {
	b := append([]byte{3, 0xe8, 0, 22, 0, 0, 0, 1, 0, 0, 0, 1, byte(5+options/4) << 4, 0x12, 1, 0, 0, 0, 0, 0},
		make([]byte, options)...)
	return append(b, secret...)
}

func udp() []byte { return append([]byte{3, 0xe8, 0, 53, 0, 8, 0, 0}, secret...) }

// headers are frames with payload, and where the payload begins.
var headers = map[string]struct {
	frame []byte
	want  int
	text  string
}{
	"nothing":         {nil, 0, "runt"},
	"a runt":          {[]byte("short"), 5, "runt"},
	"TCP":             {ethernet(0x0800, ipv4(6, 0, tcp(0)...)), 54, "tcp 192.0.2.1:1000 > 198.51.100.2:22 [SYN ACK]"},
	"TCP options":     {ethernet(0x0800, ipv4(6, 0, tcp(12)...), 7), 70, "vlan 7 tcp 192.0.2.1:1000 > 198.51.100.2:22 [SYN ACK]"},
	"UDP":             {ethernet(0x0800, ipv4(17, 0, udp()...)), 42, "udp 192.0.2.1:1000 > 198.51.100.2:53"},
	"a fragment":      {ethernet(0x0800, ipv4(17, 5, udp()...)), 34, "ip 192.0.2.1 > 198.51.100.2 proto 17"},
	"ICMP":            {ethernet(0x0800, ipv4(1, 0, append([]byte{8, 0, 0, 0, 0, 0, 0, 0}, secret...)...)), 42, "icmp 192.0.2.1 > 198.51.100.2 type 8 code 0"},
	"another":         {ethernet(0x0800, ipv4(50, 0, []byte(secret)...)), 34, "ip 192.0.2.1 > 198.51.100.2 proto 50"},
	"TCP over IPv6":   {ethernet(0x86dd, ipv6(6, tcp(0)...), 7, 8), 82, "tcp [2001:db8::1]:1000 > [2001:db8::2]:22 [SYN ACK]"},
	"an extension":    {ethernet(0x86dd, ipv6(0, udp()...)), 54, "ip 2001:db8::1 > 2001:db8::2 proto 0"},
	"ARP":             {ethernet(0x0806, append([]byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2}, secret...)), 42, "arp who has 192.0.2.2 tell 192.0.2.1"},
	"not IP":          {ethernet(0x88b5, []byte(secret)), 14, "type 0x88b5"},
	"a cut IP header": {ethernet(0x0800, ipv4(6, 0)[:11]), 25, "type 0x0800"},
}

func TestHeadersLen(t *testing.T) {
	for name, c := range headers {
		if got := capture.HeadersLen(c.frame); got != c.want {
			t.Errorf("%s: %d bytes of headers, want %d", name, got, c.want)
		}
	}
}

func FuzzHeadersLen(f *testing.F) {
	for _, c := range headers {
		f.Add(c.frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		n := capture.HeadersLen(frame)
		if n > len(frame) || n < min(len(frame), ether.HeaderLen) {
			t.Fatalf("%d of %d bytes", n, len(frame))
		}
		if cut := capture.HeadersLen(frame[:n]); cut > n {
			t.Fatalf("%d bytes of %d", cut, n)
		}
		_ = (&capture.Packet{Data: frame}).String()
	})
}

// TestRecorderKeepsHeaders: no payload is in what it gives, nor in the file and the lines made of that.
func TestRecorderKeepsHeaders(t *testing.T) {
	for name, c := range headers {
		var r capture.Recorder
		r.Note(&capture.Packet{Data: c.frame, VNI: 7, Port: "nas", Drop: drop.Loop, Point: capture.Dropped})
		list, missed := r.Packets(0, noon)
		if len(list) != 1 || missed != 0 {
			t.Fatalf("%s: %d packets, %d missed", name, len(list), missed)
		}
		p := list[0]
		if string(p.Data) != string(c.frame[:c.want]) || p.Length != len(c.frame) || p.Drop != drop.Loop {
			t.Errorf("%s: %+v", name, p)
		}
		line := p.String()
		if !strings.Contains(line, c.text) || !strings.HasSuffix(line, fmt.Sprintf(", %d bytes vni=7 port=nas drop=loop", len(c.frame))) {
			t.Errorf("%s: %s", name, line)
		}
		if bytes.Contains(append(capture.File(list), line...), []byte(secret[:8])) {
			t.Errorf("%s: there is payload", name)
		}
	}
}

// TestRecorderFile: both ways in the order of time, as other programs read it.
func TestRecorderFile(t *testing.T) {
	var r capture.Recorder
	sealed := append([]byte("\x08\x00\x01\x00\x00\x00\x07\x01\x00\x00\x00\x00\x00\x00\x00\x09"), secret...)
	r.Tick(10 * time.Second)
	r.Note(&capture.Packet{Point: capture.Inner, Data: frame, VNI: 7, Port: "vxm0"})
	r.Note(&capture.Packet{Point: capture.Outer, Data: sealed, Src: here4, Dst: vtep4, Port: "nas", Count: 43})
	r.Note(&capture.Packet{Point: capture.Outer, Data: sealed, Src: vtep6, Dst: here6, In: true, Drop: drop.Auth})
	list, _ := r.Packets(10*time.Second, noon)
	if text := list[1].String(); !strings.Contains(text, "outer   > udp 198.51.100.1:50000 > 192.0.2.7:4789 sealed, ") ||
		!strings.HasSuffix(text, " port=nas datagrams=43") {
		t.Error(text)
	}
	file := capture.File(list)
	if bytes.Contains(file, []byte(secret[:8])) {
		t.Error("there is payload")
	}
	got, _ := read(t, file)
	if len(got) != 3 {
		t.Fatalf("%d packets: %+v", len(got), got)
	}
	for i, want := range []shown{
		{0, string(frame[:14]), len(frame), "vni=7 port=vxm0", pcapgo.NgEpbFlagDirectionOutbound},
		{1, string(sealed[:16]), 28 + len(sealed), "port=nas datagrams=43", pcapgo.NgEpbFlagDirectionOutbound},
		{1, string(sealed[:16]), 48 + len(sealed), "drop=auth", pcapgo.NgEpbFlagDirectionInbound},
	} {
		g := got[i]
		if !strings.HasSuffix(g.Data, want.Data) || g.Length != want.Length || g.Comment != want.Comment ||
			g.Direction != want.Direction || g.Interface != want.Interface {
			t.Errorf("packet %d: %+v, want %+v", i, g, want)
		}
	}
}

// TestRecorderForgets keeps the last of each way, with the times of their batches.
func TestRecorderForgets(t *testing.T) {
	var r capture.Recorder
	for i := range capture.Kept + 5 {
		r.Tick(time.Duration(i) * time.Second)
		r.Note(&capture.Packet{VNI: uint32(i)})
		if i < 3 {
			r.Note(&capture.Packet{VNI: uint32(i), In: true})
		}
	}
	list, missed := r.Packets((capture.Kept+4)*time.Second, noon)
	if len(list) != capture.Kept+3 || missed != 0 {
		t.Fatalf("%d packets, %d missed", len(list), missed)
	}
	if !slices.IsSortedFunc(list, func(a, b capture.Packet) int { return a.Time.Compare(b.Time) }) {
		t.Error("they are not in the order of time")
	}
	first, last := list[3], list[len(list)-1]
	if !list[2].In || first.VNI != 5 || last.VNI != capture.Kept+4 || !last.Time.Equal(noon) ||
		!first.Time.Equal(noon.Add(-(capture.Kept-1)*time.Second)) {
		t.Errorf("from %+v to %+v", first, last)
	}
}

// TestRecorderOfMany: every packet is either kept or counted, whoever notes and reads it.
func TestRecorderOfMany(t *testing.T) {
	const writers, each = 4, 200
	var r capture.Recorder
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				r.Tick(time.Second)
				r.Note(&capture.Packet{Data: frame, In: true})
			}
		})
	}
	all.Go(func() {
		for range 10 {
			r.Packets(0, noon)
		}
	})
	all.Wait()
	list, missed := r.Packets(0, noon)
	if uint64(len(list))+missed != writers*each {
		t.Errorf("%d kept and %d missed of %d", len(list), missed, writers*each)
	}
}

func TestRecorderAllocatesNothing(t *testing.T) {
	var r capture.Recorder
	inner := capture.Packet{Data: headers["TCP"].frame, Port: "nas"}
	outer := capture.Packet{Point: capture.Outer, Data: inner.Data, Src: here6, Dst: vtep6, In: true}
	if n := testing.AllocsPerRun(100, func() {
		r.Note(&inner)
		r.Note(&outer)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNote(b *testing.B) {
	var r capture.Recorder
	inner := capture.Packet{Data: headers["TCP"].frame, Port: "nas"}
	outer := capture.Packet{Point: capture.Outer, Data: inner.Data, Src: here4, Dst: vtep4}
	for name, p := range map[string]*capture.Packet{"inner": &inner, "outer": &outer} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r.Note(p)
			}
		})
	}
}
