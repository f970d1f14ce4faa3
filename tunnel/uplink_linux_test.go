package tunnel

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// A fullDevice has frames to read.
type fullDevice struct {
	tundev.Device
	frames [][]byte
	reads  int
}

func (d *fullDevice) ReadFrame(buf []byte, _ bool) (int, offload.Header, error) {
	if d.reads == len(d.frames) {
		return 0, offload.Header{}, tundev.ErrWouldBlock
	}
	f := d.frames[d.reads]
	d.reads++
	var h offload.Header
	if len(f) > 9000 {
		h = superHeader()
	}
	return copy(buf, f), h, nil
}

// A hose is a device that never runs dry, of frames that go nowhere.
type hose struct{ tundev.Device }

func (hose) ReadFrame(buf []byte, _ bool) (int, offload.Header, error) {
	return copy(buf, "runt"), offload.Header{}, nil
}

// TestCarryEnds, so that other sources get their turn, although the device has more.
func TestCarryEnds(t *testing.T) {
	s, _, _ := stillNode(t)
	s.jack.dev = hose{s.jack.dev}
	if err := s.up.carry(false); err != nil {
		t.Fatal(err)
	}
	if got := s.drops.Map()["runt"]; got != mostPasses*mostAhead {
		t.Errorf("%d runts were dropped, want %d", got, mostPasses*mostAhead)
	}
}

// TestReadAhead reads frames of all lengths, super-frames among them, and wants them all at a VTEP, in their order
// and untouched.
func TestReadAhead(t *testing.T) {
	s, _, v := stillNode(t)
	far, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	_ = far.SetReadBuffer(4 << 20)
	v.remote = far.LocalAddr().(*net.UDPAddr).AddrPort()

	r, d := rand.New(rand.NewPCG(5, 6)), &fullDevice{Device: s.jack.dev}
	var want []byte // the payloads, one behind another
	for i := range 400 {
		n := []int{1 + r.IntN(1200), 1200, 1 + i%2}[i/50%3]
		if i%37 == 0 {
			n = 20000
		}
		f := tcpFrame(1, n, n == 20000)
		for k := 54; k < len(f); k++ {
			f[k] = byte(r.Uint32())
		}
		d.frames, want = append(d.frames, f), append(want, f[54:]...)
	}
	s.jack.dev = d
	for d.reads < len(d.frames) {
		if err := s.up.carry(false); err != nil {
			t.Fatal(err)
		}
	}
	got, buf := make([]byte, 0, len(want)), make([]byte, 2000)
	_ = far.SetReadDeadline(time.Now().Add(10 * time.Second))
	for len(got) < len(want) {
		n, err := far.Read(buf)
		if err != nil {
			t.Fatalf("after %d of %d bytes: %v", len(got), len(want), err)
		}
		_, frame, reason := vxlan.Parse(buf[:n])
		ip, ok := ether.ParseIP(frame)
		if reason != 0 || !ok || ip.End != len(frame) {
			t.Fatalf("after %d bytes: a datagram of %d bytes that is no frame", len(got), n)
		}
		got = append(got, frame[54:]...)
	}
	if !bytes.Equal(got, want) {
		t.Error("the frames are not what was read")
	}
	if rest := s.drops.Map(); len(rest) != 0 {
		t.Errorf("dropped: %v", rest)
	}
}
