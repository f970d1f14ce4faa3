package tunnel

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A stillPeer is the other end of a node that does not run: the test seals and opens for it.
type stillPeer struct {
	s    *segment
	dev  *sinkDevice
	link *meshlink
	peer *peer
	from netip.AddrPort
	t    *session.Transport
}

// stillMesh is a node that does not run, with a sink for a device and a peer whose path takes
// packets of 1500 bytes.
func stillMesh(t testing.TB) *stillPeer {
	t.Helper()
	hole, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	key, theirs := session.PrivateKey{8}, session.PrivateKey{16}
	dev := &sinkDevice{last: make([]byte, 0, tundev.BufLen)}
	n, err := New(Options{
		OpenDevice: func(o tundev.Options) (tundev.Device, error) {
			dev.Device = tundevtest.NewWith(o, tundev.Offloads{Csum: true, TSO: true, USO: true})
			return dev, nil
		},
		Mesh: MeshOptions{
			Key: key, Epoch: 1, Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
			Peers: []PeerOptions{{Name: "far", Key: theirs.Public()}},
		},
		Segments: []SegmentOptions{{
			VNI: 7, Device: DeviceOptions{Name: "none7"}, Peers: []string{"far"},
			FDB: bridge.Options{Learn: true, Ageing: time.Minute},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Close()
		hole.Close()
	})
	p := &stillPeer{
		s: n.segment(7), dev: dev, link: newMeshlink(n, n.mesh.sockets[0], 0), peer: n.mesh.peers[0],
		from: hole.LocalAddr().(*net.UDPAddr).AddrPort(),
	}
	p.shakeHands(t, hole, session.New(session.Options{
		Key: theirs, Epoch: 1, Hardware: session.HardwareAES(),
		Caps: session.CapCsum | session.CapTSO | session.CapUSO,
	}), key.Public())
	return p
}

// shakeHands agrees on a session, which the peer begins.
func (p *stillPeer) shakeHands(t testing.TB, hole *net.UDPConn, e *session.Endpoint,
	key session.PublicKey,
) {
	t.Helper()
	node, err := e.Add(key)
	if err != nil {
		t.Fatal(err)
	}
	m := p.s.node.mesh
	m.mu.Lock()
	m.handle(&meshEvent{sock: m.sockets[0], from: p.from, way: nat.Way{Addr: p.from}, data: node.Initiate(1)})
	m.mu.Unlock()
	answer := make([]byte, 2000)
	size, _, err := hole.ReadFromUDPAddrPort(answer)
	if err != nil {
		t.Fatal(err)
	}
	if p.t = e.Receive(1, p.from, answer[:size]).New; p.t == nil {
		t.Fatal("no session")
	}
	p.receive(p.seal(room(), 0, 0, wire.Ping{}.Append(nil, 0)))
	snd := p.peer.send.Load()
	if snd == nil {
		t.Fatal("the session is not in use")
	}
	wide := *snd
	wide.payload = 1500 - 28 - wire.Overhead
	p.peer.send.Store(&wide)
}

// seal appends the datagrams of a message in as many chunks of 1440 bytes as it needs.
func (p *stillPeer) seal(b []byte, vni uint32, flags uint8, message []byte) []byte {
	plan, ok := chunk.NewPlan(len(message), 0, 1440)
	if !ok {
		panic("the message is too long")
	}
	counter, _ := p.t.Reserve(plan.Count)
	for i := range plan.Count {
		from, to := plan.Range(i)
		at := len(b)
		b = b[:at+wire.Overhead+to-from]
		wire.Header{
			Index: p.t.RemoteIndex(), VNI: vni, Counter: counter + uint64(i), Chunk: uint8(i),
			Last: i == plan.Count-1, Flags: flags,
		}.Put(b[at:])
		p.t.Seal(b[at:], message[from:to])
	}
	return b
}

// room is for the datagrams of one message.
func room() []byte { return make([]byte, 0, 1<<17) }

// receive has the node read datagrams of 1472 bytes, and at the end one that may be shorter.
func (p *stillPeer) receive(datagrams []byte) {
	p.link.in.now = p.s.node.now()
	dg := udp.Datagram{Data: datagrams, SegmentSize: 1472, From: p.from}
	p.link.split(&dg)
	p.link.expire()
	p.link.in.flush()
}

// TestSealingAllocatesNothing sends small frames, a super-frame and ones for everybody to a peer.
func TestSealingAllocatesNothing(t *testing.T) {
	p := stillMesh(t)
	small, arp := tcpFrame(1, 100, false), tcpFrame(1, 20, false)
	jumbo, super := tcpFrame(1, 8000, false), tcpFrame(1, 60000, true)
	arp[0], arp[12], arp[13] = 0xff, 8, 6
	allocs := testing.AllocsPerRun(100, func() {
		for range 8 {
			p.s.up.put(offload.Header{}, small)
			p.s.up.put(offload.Header{}, arp)
		}
		p.s.up.put(offload.Header{}, jumbo)
		p.s.up.put(superHeader(), super)
		p.s.up.out.flush()
	})
	if allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
	if got, want := p.peer.tx.frames.Load(), uint64(101*18); got != want {
		t.Errorf("%d frames were sent, want %d", got, want)
	}
	if got, want := p.peer.txDatagrams.Load(), uint64(101*(16+6+42)); got < want || got > want+101 {
		t.Errorf("%d datagrams were sent, want %d", got, want)
	}
}

// TestOpeningAllocatesNothing receives small frames, a super-frame in chunks, one with a hole, and
// segments that are merged.
func TestOpeningAllocatesNothing(t *testing.T) {
	p := stillMesh(t)
	small, b := tcpFrame(1, 100, false), room()
	meta := make([]byte, offload.HeaderLen)
	superHeader().Put(meta)
	super := append(meta, turned(tcpFrame(1, 60000, true))...)
	segments := make([][]byte, 40)
	for i := range segments {
		segments[i] = turned(tcpFrame(uint32(1+1300*i), 1300, false))
	}
	turned(small)
	allocs := testing.AllocsPerRun(100, func() {
		for range 8 {
			p.receive(p.seal(b[:0], 7, 0, small))
		}
		p.receive(p.seal(b[:0], 7, wire.FlagOffload, super))
		holed := p.seal(b[:0], 7, wire.FlagOffload, super)
		copy(holed[5*1472:], holed[6*1472:7*1472]) // one comes twice, and its neighbour never
		p.receive(holed)
		p.receive(p.seal(b[:0], 7, wire.FlagOffload, super)) // gives that up
		for _, f := range segments {
			p.receive(p.seal(b[:0], 7, 0, f))
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
	want := 101 * (8*(54+100) + 3*(54+60000) + 54 - 1440 + 40*(54+1300))
	if p.dev.bytes != want {
		t.Errorf("the device got %d frames of %d bytes, want %d bytes", p.dev.frames, p.dev.bytes, want)
	}
	if drops := p.peer.drops.Map(); drops["replay"] != 101 || drops["auth"] != 0 || drops["malformed"] != 0 {
		t.Errorf("drops: %v", drops)
	}
}

// turned turns a frame round: it comes from station 1 and is for the device behind us.
func turned(f ether.Frame) ether.Frame {
	dst, src := f.Dst(), f.Src()
	copy(f, src[:])
	copy(f[6:], dst[:])
	return f
}

// TestTrainAllocatesNothing receives datagrams of one length that the kernel merged, of many small
// frames.
func TestTrainAllocatesNothing(t *testing.T) {
	p := stillMesh(t)
	f := turned(tcpFrame(1, 1440-54, false))
	b := room()
	allocs := testing.AllocsPerRun(100, func() {
		train := b[:0]
		for range 40 {
			train = p.seal(train, 7, 0, f)
		}
		p.receive(train)
	})
	if allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
	if got, want := p.peer.rx.frames.Load(), uint64(101*40); got != want {
		t.Errorf("%d frames came, want %d", got, want)
	}
}

// TestRunOfChunks has one chunk of a super-frame forged, and then come by itself: nothing but that costs anything,
// whether datagrams are captured, one by one, or not.
func TestRunOfChunks(t *testing.T) {
	for _, captured := range []bool{false, true} {
		p := stillMesh(t)
		if captured {
			p.s.node.tap.Attach(capture.Options{})
		}
		super := make([]byte, offload.HeaderLen)
		superHeader().Put(super)
		super = append(super, turned(tcpFrame(1, 60000, true))...)
		datagrams := p.seal(room(), 7, wire.FlagOffload, super)
		before := p.peer.rxDatagrams.Load()
		chunk20 := bytes.Clone(datagrams[20*1472 : 21*1472])
		datagrams[21*1472-1]++
		p.receive(datagrams)
		if p.dev.frames != 0 {
			t.Fatalf("captured %v: a frame was delivered with a forged chunk", captured)
		}
		p.receive(chunk20)
		p.receive(chunk20)
		if p.dev.frames != 1 || p.dev.bytes != len(super)-offload.HeaderLen {
			t.Errorf("captured %v: %d frames of %d bytes", captured, p.dev.frames, p.dev.bytes)
		}
		if got := p.peer.rxDatagrams.Load() - before; got != 42 {
			t.Errorf("captured %v: %d datagrams were taken", captured, got)
		}
		if drops := p.peer.drops.Map(); drops["auth"] != 1 || drops["replay"] != 1 || len(drops) != 2 {
			t.Errorf("captured %v: drops: %v", captured, drops)
		}
	}
}

// TestRunEnds where something is wrong: what comes behind it in the same message is not looked at twice.
func TestRunEnds(t *testing.T) {
	p := stillMesh(t)
	super := make([]byte, offload.HeaderLen)
	superHeader().Put(super)
	super = append(super, turned(tcpFrame(1, 60000, true))...)
	genuine := p.seal(room(), 7, wire.FlagOffload, super)
	forged := bytes.Clone(genuine)
	forged[30]++
	half := bytes.Clone(genuine)
	half[20*1472+30]++
	stranger := bytes.Clone(genuine)
	for at := 0; at < len(stranger); at += 1472 {
		stranger[at+1]++ // the index
	}
	for _, c := range []struct {
		name  string
		data  []byte
		taken int
		ok    bool
	}{
		{"the first is forged", forged, 0, false},
		{"of nobody's session", stranger, 0, false},
		{"one alone", genuine[:1472], 0, true},
		{"the twenty-first is forged", half, 20, false},
		{"those behind it", genuine[20*1472:], 21, true},
		{"all of them again", genuine, 0, false},
	} {
		dg := udp.Datagram{Data: c.data, SegmentSize: 1472, From: p.from}
		if taken, ok := p.link.run(c.data, 1472, &dg); taken != c.taken || ok != c.ok {
			t.Errorf("%s: %d, %v, want %d, %v", c.name, taken, ok, c.taken, c.ok)
		}
	}
}

// BenchmarkOpening takes super-frames in, which are sealed outside of what is measured.
func BenchmarkOpening(b *testing.B) {
	p := stillMesh(b)
	room, super := room(), make([]byte, offload.HeaderLen)
	superHeader().Put(super)
	super = append(super, turned(tcpFrame(1, 60000, true))...)
	b.SetBytes(60000)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		datagrams := p.seal(room, 7, wire.FlagOffload, super)
		b.StartTimer()
		p.receive(datagrams)
	}
}
