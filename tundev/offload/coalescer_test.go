package offload_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// An output is what a coalescer gave to its sink, copied.
type output struct {
	h     offload.Header
	frame []byte
	parts int
}

// collect is a sink.
func collect(to *[]output) offload.Sink {
	return func(h offload.Header, parts [][]byte) {
		*to = append(*to, output{h, slices.Concat(parts...), len(parts)})
	}
}

// coalesce runs frames through a coalescer that merges everything.
func coalesce(frames ...[]byte) (out []output) {
	c := offload.NewCoalescer(true, true, collect(&out))
	for _, f := range frames {
		c.Add(bytes.Clone(f))
	}
	c.Flush()
	return out
}

// expand gives the finished frames that outputs stand for, as the kernel would make them.
func expand(t testing.TB, outs []output) (frames [][]byte) {
	t.Helper()
	for _, o := range outs {
		if !o.h.IsSuper() {
			if err := offload.Complete(o.h, o.frame); err != nil {
				t.Fatalf("frame with %+v: %v", o.h, err)
			}
			frames = append(frames, o.frame)
			continue
		}
		var s offload.Segmenter
		if err := s.Start(o.h, o.frame); err != nil {
			t.Fatalf("super-frame with %+v: %v", o.h, err)
		}
		for range s.Count() {
			f := make([]byte, s.Len())
			frames = append(frames, f[:s.Next(f)])
		}
	}
	return frames
}

// A plainFrame is what has to come through: padding means nothing, and neither does the
// identification of a packet that must not be fragmented (RFC 6864, 4).
func plainFrame(frame []byte) []byte {
	f := bytes.Clone(frame)
	ip, ok := ether.ParseIP(f)
	if !ok || ip.Version == 0 {
		return f
	}
	f = f[:ip.End]
	if ip.DF && ether.Sum(f[ip.Offset:ip.Transport]) == 0xffff {
		f[ip.Offset+4], f[ip.Offset+5] = 0, 0
		ether.PutIPv4Checksum(f[ip.Offset:])
	}
	return f
}

// flowOf is what the order of frames is kept within.
func flowOf(frame []byte) string {
	ip, ok := ether.ParseIP(frame)
	switch {
	case !ok || ip.Version == 0:
		return "other"
	case ip.Version == 4:
		return string(frame[12:ip.Offset]) + string(frame[ip.Offset+9]) +
			string(frame[ip.Offset+12:ip.Transport+4])
	}
	return string(frame[12:ip.Offset]) + string(frame[ip.Offset+6]) +
		string(frame[ip.Offset+8:ip.Transport+4])
}

// byFlow sorts frames into flows.
func byFlow(frames [][]byte) map[string][][]byte {
	m := make(map[string][][]byte)
	for _, f := range frames {
		m[flowOf(f)] = append(m[flowOf(f)], plainFrame(f))
	}
	return m
}

func compareFlows(t testing.TB, want, got [][]byte) {
	t.Helper()
	w, g := byFlow(want), byFlow(got)
	for flow, frames := range w {
		if len(frames) != len(g[flow]) {
			t.Fatalf("%d frames of a flow went in, %d came out", len(frames), len(g[flow]))
		}
		for i := range frames {
			if !bytes.Equal(frames[i], g[flow][i]) {
				t.Fatalf("frame %d of %d of a flow:\n% x went in,\n% x came out",
					i, len(frames), frames[i], g[flow][i])
			}
		}
	}
	if len(want) != len(got) {
		t.Fatalf("%d frames went in, %d came out", len(want), len(got))
	}
}

// A sender makes the packets of one flow with everything that may change between two of them.
type sender struct {
	next packet
	size int
}

func newSender(r *rand.Rand, i int) *sender {
	s := &sender{
		next: packet{
			v6: r.IntN(2) == 0, udp: r.IntN(3) == 0, host: uint8(r.IntN(2)), flow: uint8(i), ttl: 64,
			df: r.IntN(2) == 0, id: uint16(r.Uint32()), seq: r.Uint32(), ack: r.Uint32(), flags: ack,
			window: 502, partial: r.IntN(4) == 0,
		},
		size: 10 + r.IntN(60),
	}
	if r.IntN(8) == 0 {
		s.next.tags = []uint16{5}
	}
	if !s.next.udp && r.IntN(2) == 0 {
		s.next.tcpOptions = []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}
	}
	return s
}

// send gives the next packet: mostly the plain continuation, sometimes with something else in it.
func (s *sender) send(r *rand.Rand) packet {
	p := s.next
	n := s.size
	change := r.IntN(40)
	if change < len(changes) {
		changes[change](r, s, &p, &n)
	}
	p.payload = randomBytes(r, n)
	s.next.seq += uint32(n)
	s.next.id++
	if !p.v6 && !p.df && r.IntN(10) == 0 {
		s.next.id += 3
	}
	if p.padding = 0; r.IntN(10) == 0 {
		p.padding = 1 + r.IntN(20)
	}
	return p
}

// changes are the ways in which a packet may differ from the one before it.
var changes = []func(r *rand.Rand, s *sender, p *packet, n *int){
	func(_ *rand.Rand, _ *sender, _ *packet, n *int) { *n = 0 },                            // a pure ACK
	func(_ *rand.Rand, s *sender, _ *packet, n *int) { *n = s.size / 2 },                   // a short one
	func(_ *rand.Rand, s *sender, _ *packet, n *int) { *n = s.size + 1 },                   // a long one
	func(_ *rand.Rand, _ *sender, p *packet, n *int) { p.flags = syn; *n = 0 },             // a new beginning
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.flags |= fin },                    // an end
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.flags |= psh },                    //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.flags |= rst },                    //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.flags |= ece },                    //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.flags |= cwr },                    //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.flags |= urg },                    //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.accurate = true },                 //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.window++ },                        //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.urgent++ },                        // without its flag
	func(_ *rand.Rand, s *sender, p *packet, _ *int) { s.next.ack++; p.ack++ },             //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.seq += 7 },                        // a hole
	func(_ *rand.Rand, s *sender, p *packet, _ *int) { p.seq -= uint32(s.size) },           // a duplicate
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.tos = ether.CE },                  //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.ttl-- },                           //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.df = !p.df },                      //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.flowLabel++ },                     //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.noChecksum = p.udp },              //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.partial = !p.partial },            //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.tcpOptions = []byte{1, 1, 1, 1} }, //
	func(_ *rand.Rand, _ *sender, p *packet, _ *int) { p.tags = append(p.tags, 9) },        // another flow
}

// corrupt breaks a frame in a place its checksums cover: a payload byte or the checksum itself, or,
// on IPv4, the header.
func corrupt(r *rand.Rand, frame []byte) []byte {
	ip, ok := ether.ParseIP(frame)
	if !ok || ip.Version == 0 {
		return frame
	}
	if ip.Version == 4 && r.IntN(3) == 0 {
		frame[ip.Offset+10] ^= 0x55
		return frame
	}
	at := ip.Transport + 16 // TCP checksum
	if ip.Proto == ether.ProtoUDP {
		at = ip.Transport + 6
	}
	if last := ip.End - 1; last > ip.Transport+20 && r.IntN(2) == 0 {
		at = last
	}
	frame[at] ^= byte(1 + r.IntN(255))
	return frame
}

// TestCoalescerModel mixes flows of every kind with corrupted frames, duplicates and swapped
// neighbours: cutting what comes out gives what went in, in the order of each flow.
func TestCoalescerModel(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	merged := 0
	for range 1000 {
		in := mix(r)
		out := coalesce(in...)
		compareFlows(t, finished(in), expand(t, out))
		for _, o := range out {
			if o.parts > 1 {
				merged++
			}
		}
	}
	if merged < 3000 {
		t.Errorf("only %d super-frames were made", merged)
	}
}

// mix makes the frames of one batch.
func mix(r *rand.Rand) (frames [][]byte) {
	senders := make([]*sender, 1+r.IntN(12))
	for i := range senders {
		senders[i] = newSender(r, i)
	}
	for i := range r.IntN(120) {
		s := senders[r.IntN(len(senders))]
		if r.IntN(4) > 0 {
			s = senders[0] // long runs of one flow
		}
		p := s.send(r)
		frame := p.frame()
		switch r.IntN(40) {
		case 0:
			frame = corrupt(r, frame)
		case 1:
			if len(frames) > 0 {
				frames = append(frames, frames[len(frames)-1])
			}
		case 2:
			frames = append(frames, append(bytes.Repeat([]byte{0xff}, 12), 8, 6, byte(i)))
		}
		frames = append(frames, frame)
		if n := len(frames); n > 1 && r.IntN(40) == 0 {
			frames[n-1], frames[n-2] = frames[n-2], frames[n-1]
		}
	}
	return frames
}

// finished gives the frames with their partial checksums computed; a corrupted one stays as it is.
func finished(frames [][]byte) (out [][]byte) {
	for _, f := range frames {
		f = bytes.Clone(f)
		if ip, ok := ether.ParseIP(f); ok && ip.Version != 0 {
			field := ip.Transport + 16
			if ip.Proto == ether.ProtoUDP {
				field = ip.Transport + 6
			}
			n := ip.End - ip.Transport
			if binary.BigEndian.Uint16(f[field:]) == ip.PseudoSum(f, ip.Proto, n) {
				sum := ^ether.Sum(f[ip.Transport:ip.End])
				if sum == 0 && ip.Proto == ether.ProtoUDP {
					sum = 0xffff
				}
				binary.BigEndian.PutUint16(f[field:], sum)
			}
		}
		out = append(out, f)
	}
	return out
}

// run makes n packets that follow one another, of 100 bytes of payload.
func run(p packet, n int) (packets []packet) {
	for i := range n {
		p.payload = bytes.Repeat([]byte{byte(i)}, 100)
		packets = append(packets, p)
		p.seq += 100
		p.id++
	}
	return packets
}

func framesOf(packets []packet) (frames [][]byte) {
	for i := range packets {
		frames = append(frames, packets[i].frame())
	}
	return frames
}

// TestCoalescerMerges says what a merged super-frame looks like for each kind of flow.
func TestCoalescerMerges(t *testing.T) {
	for name, p := range map[string]packet{
		"TCP over IPv4":                {flags: ack, df: true, ttl: 64},
		"TCP over IPv4 without DF":     {flags: ack, ttl: 64, id: 0xfffe},
		"TCP over IPv6":                {flags: ack, v6: true, ttl: 64, flowLabel: 0x12345},
		"TCP with options":             {flags: ack, df: true, tcpOptions: bytes.Repeat([]byte{1}, 12)},
		"TCP with partial checksums":   {flags: ack, df: true, partial: true},
		"TCP that wraps":               {flags: ack, df: true, seq: 0xffffff80},
		"UDP over IPv4":                {udp: true, df: true},
		"UDP over IPv6":                {udp: true, v6: true},
		"UDP with partial checksums":   {udp: true, v6: true, partial: true},
		"TCP with CE, as ECN marks it": {flags: ack, df: true, tos: ether.CE},
	} {
		packets := run(p, 10)
		out := coalesce(framesOf(packets)...)
		if len(out) != 1 || out[0].parts != 10 {
			t.Errorf("%s: %d frames", name, len(out))
			continue
		}
		whole := packets[0]
		whole.payload, whole.partial = nil, true
		for _, q := range packets {
			whole.payload = append(whole.payload, q.payload...)
		}
		if want := whole.frame(); !bytes.Equal(out[0].frame, want) {
			t.Errorf("%s:\n% x, want\n% x", name, out[0].frame, want)
		}
		if want := whole.header(100); out[0].h != want {
			t.Errorf("%s: %+v, want %+v", name, out[0].h, want)
		}
	}
}

// TestCoalescerKeepsApart has, for everything a super-frame can say only once, a second packet that
// differs in it.
func TestCoalescerKeepsApart(t *testing.T) {
	tcp := packet{flags: ack, ttl: 64, df: true, window: 100, tcpOptions: []byte{1, 1, 1, 1}}
	six := tcp
	six.v6 = true
	udp := packet{udp: true, ttl: 64, df: true}
	for name, c := range map[string]struct {
		first  packet
		change func(p *packet)
	}{
		"sequence number":         {tcp, func(p *packet) { p.seq++ }},
		"acknowledgement":         {tcp, func(p *packet) { p.ack++ }},
		"window":                  {tcp, func(p *packet) { p.window++ }},
		"urgent pointer":          {tcp, func(p *packet) { p.urgent++ }},
		"AE flag":                 {tcp, func(p *packet) { p.accurate = true }},
		"option":                  {tcp, func(p *packet) { p.tcpOptions = []byte{1, 1, 1, 0} }},
		"options' length":         {tcp, func(p *packet) { p.tcpOptions = nil }},
		"FIN":                     {tcp, func(p *packet) { p.flags |= fin }},
		"SYN":                     {tcp, func(p *packet) { p.flags |= syn }},
		"RST":                     {tcp, func(p *packet) { p.flags |= rst }},
		"URG":                     {tcp, func(p *packet) { p.flags |= urg }},
		"ECE":                     {tcp, func(p *packet) { p.flags |= ece }},
		"CWR":                     {tcp, func(p *packet) { p.flags |= cwr }},
		"no ACK":                  {tcp, func(p *packet) { p.flags = 0 }},
		"no payload":              {tcp, func(p *packet) { p.payload = nil }},
		"more payload":            {tcp, func(p *packet) { p.payload = make([]byte, 101) }},
		"TOS":                     {tcp, func(p *packet) { p.tos = 4 }},
		"ECN":                     {tcp, func(p *packet) { p.tos = ether.CE }},
		"TTL":                     {tcp, func(p *packet) { p.ttl-- }},
		"DF":                      {tcp, func(p *packet) { p.df = false }},
		"IPv4 options":            {tcp, func(p *packet) { p.options = []byte{1, 1, 1, 1} }},
		"VLAN":                    {tcp, func(p *packet) { p.tags = []uint16{1} }},
		"address":                 {tcp, func(p *packet) { p.host++ }},
		"port":                    {tcp, func(p *packet) { p.flow++ }},
		"protocol":                {tcp, func(p *packet) { p.udp = true }},
		"IP version":              {tcp, func(p *packet) { p.v6 = true }},
		"IPv6 traffic class":      {six, func(p *packet) { p.tos = 4 }},
		"IPv6 hop limit":          {six, func(p *packet) { p.ttl-- }},
		"IPv6 flow label":         {six, func(p *packet) { p.flowLabel++ }},
		"IPv6 extension":          {six, func(p *packet) { p.extension = make([]byte, 8) }},
		"UDP without checksum":    {udp, func(p *packet) { p.noChecksum = true }},
		"UDP of more bytes":       {udp, func(p *packet) { p.payload = make([]byte, 101) }},
		"UDP of no bytes":         {udp, func(p *packet) { p.payload = nil }},
		"UDP with another TTL":    {udp, func(p *packet) { p.ttl-- }},
		"UDP from another port":   {udp, func(p *packet) { p.flow++ }},
		"an identification's gap": {packet{flags: ack}, func(p *packet) { p.id++ }},
	} {
		packets := run(c.first, 2)
		c.change(&packets[1])
		frames := framesOf(packets)
		out := coalesce(frames...)
		if len(out) != 2 {
			t.Errorf("%s: merged", name)
			continue
		}
		compareFlows(t, frames, expand(t, out))
	}
}

// TestCoalescerEnds has what closes a super-frame but still belongs to it.
func TestCoalescerEnds(t *testing.T) {
	tcp, udp := packet{flags: ack, df: true}, packet{udp: true, df: true}
	push := run(tcp, 5)
	push[2].flags |= psh
	short := run(tcp, 5)
	short[2].payload = short[2].payload[:50]
	for i := 3; i < 5; i++ {
		short[i].seq -= 50
	}
	shortUDP := run(udp, 5)
	shortUDP[2].payload = shortUDP[2].payload[:50]
	for name, packets := range map[string][]packet{"PSH": push, "short": short, "short UDP": shortUDP} {
		frames := framesOf(packets)
		out := coalesce(frames...)
		if len(out) != 2 || out[0].parts != 3 || out[1].parts != 2 {
			t.Errorf("%s: %d frames", name, len(out))
			continue
		}
		compareFlows(t, frames, expand(t, out))
	}
	first := run(tcp, 2)
	first[0].flags |= psh
	if out := coalesce(framesOf(first)...); len(out) != 2 {
		t.Error("something was merged behind a PSH")
	}
}

// TestCoalescerBounds fills a super-frame until its length field is full, and more flows than are
// merged at once.
func TestCoalescerBounds(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		var packets []packet
		p := packet{flags: ack, df: true, v6: v6}
		for range 100 {
			p.payload = make([]byte, 8000)
			packets = append(packets, p)
			p.seq += 8000
			p.id++
		}
		out := coalesce(framesOf(packets)...)
		for _, o := range out {
			if ip, ok := ether.ParseIP(o.frame); !ok || ip.End != len(o.frame) {
				t.Errorf("a super-frame of %d bytes says it ends at %d", len(o.frame), ip.End)
			}
		}
		if len(out) != 13 {
			t.Errorf("%d super-frames, want 13 of 8", len(out))
		}
	}
	var many []packet
	for flow := range 50 {
		many = append(many, run(packet{flags: ack, df: true, flow: uint8(flow)}, 2)...)
	}
	out := coalesce(framesOf(many)...)
	if len(out) != 50 {
		t.Errorf("%d super-frames of 50 flows", len(out))
	}
	small := run(packet{flags: ack, df: true}, 1000)
	for i := range small {
		small[i].payload = small[i].payload[:1]
		small[i].seq = uint32(i)
	}
	compareFlows(t, framesOf(small), expand(t, coalesce(framesOf(small)...)))
}

// TestCoalescerCorrupted makes sure that a broken frame keeps its broken checksum, wherever in a
// run it stands.
func TestCoalescerCorrupted(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range 3000 {
		in := framesOf(run(packet{
			flags: ack, udp: r.IntN(2) == 0, v6: r.IntN(2) == 0, df: true, id: 7, ttl: 64,
		}, 5))
		at := r.IntN(5)
		in[at] = corrupt(r, in[at])
		found := false
		for _, o := range coalesce(in...) {
			found = found || bytes.Equal(o.frame, in[at])
		}
		if !found {
			t.Fatalf("frame %d of 5 was corrupted and did not come out as it was: % x", at, in[at])
		}
	}
}

// TestCoalescerOff merges only what the device takes.
func TestCoalescerOff(t *testing.T) {
	tcp := framesOf(run(packet{flags: ack, df: true}, 4))
	udp := framesOf(run(packet{udp: true, df: true}, 4))
	for _, c := range []struct {
		tso, uso bool
		want     int
	}{{false, false, 8}, {true, false, 5}, {false, true, 5}, {true, true, 2}} {
		var out []output
		co := offload.NewCoalescer(c.tso, c.uso, collect(&out))
		for i := range tcp {
			co.Add(bytes.Clone(tcp[i]))
			co.Add(bytes.Clone(udp[i]))
		}
		co.Flush()
		if len(out) != c.want {
			t.Errorf("TSO %v, USO %v: %d frames, want %d", c.tso, c.uso, len(out), c.want)
		}
		compareFlows(t, slices.Concat(tcp, udp), expand(t, out))
	}
}

// TestCoalescerPassesUnfinished has a partial checksum on a frame that is merged with nothing: the
// kernel has to be told.
func TestCoalescerPassesUnfinished(t *testing.T) {
	for _, p := range []packet{
		{flags: syn, partial: true},
		{flags: ack, partial: true, payload: []byte("alone")},
		{udp: true, v6: true, partial: true, payload: []byte("alone")},
	} {
		out := coalesce(p.frame())
		want := p.header(0)
		want.GSOType, want.HdrLen = offload.GSONone, 0
		if len(out) != 1 || out[0].h != want {
			t.Errorf("%+v: %+v, want %+v", p, out[0].h, want)
		}
	}
}

func TestCoalescerAllocatesNothing(t *testing.T) {
	frames := framesOf(run(packet{flags: ack, df: true}, 40))
	frames = append(frames, framesOf(run(packet{udp: true, v6: true}, 40))...)
	work := framesOf(run(packet{}, 0))
	for _, f := range frames {
		work = append(work, bytes.Clone(f))
	}
	n := 0
	c := offload.NewCoalescer(true, true, func(_ offload.Header, parts [][]byte) { n += len(parts) })
	allocs := testing.AllocsPerRun(50, func() {
		for i := range frames {
			copy(work[i], frames[i])
			c.Add(work[i])
		}
		c.Flush()
	})
	if allocs != 0 || n != 51*80 {
		t.Errorf("%v allocations per batch, %d parts", allocs, n)
	}
}

func BenchmarkCoalescer(b *testing.B) {
	p := packet{flags: ack, df: true}
	var frames [][]byte
	for range 44 {
		p.payload = make([]byte, 1448)
		frames = append(frames, p.frame())
		p.seq += 1448
		p.id++
	}
	work := make([]byte, len(frames[0]))
	c := offload.NewCoalescer(true, true, func(offload.Header, [][]byte) {})
	b.SetBytes(int64(len(frames) * len(work)))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, frames[0])
		c.Add(work)
		for _, f := range frames[1:] {
			c.Add(f)
		}
		c.Flush()
	}
}

// FuzzCoalescer cuts its input into frames of lengths that the input says. No byte may get lost or
// doubled, and nothing may be said about a frame that its bytes do not hold.
func FuzzCoalescer(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 6 {
		var seed []byte
		frames := mix(r)
		for _, frame := range frames[:min(12, len(frames))] {
			seed = append(binary.BigEndian.AppendUint16(seed, uint16(len(frame))), frame...)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var in [][]byte
		for len(b) > 2 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			in = append(in, b[2:2+n])
			b = b[2+n:]
		}
		out := coalesce(in...)
		var all [][]byte
		for _, o := range out {
			if o.parts == 1 {
				all = append(all, o.frame)
				continue
			}
			all = append(all, expand(t, []output{o})...)
		}
		if len(all) != len(in) {
			t.Fatalf("%d frames went in, %d came out", len(in), len(all))
		}
	})
}
