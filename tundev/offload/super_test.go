package offload_test

import (
	"testing"

	"github.com/vxmesh/vxmesh/tundev/offload"
)

// TestGuess has super-frames as they arrive whole, without metadata: what is guessed is what their
// kernel knew.
func TestGuess(t *testing.T) {
	big := make([]byte, 5000)
	for name, c := range map[string]struct {
		p       packet
		gsoSize int // as the datagram says
		size    int // as it has to be
	}{
		"TCP over IPv4":           {packet{flags: ack, partial: true, payload: big}, 0, 1410},
		"TCP over IPv6":           {packet{v6: true, flags: ack, partial: true, payload: big}, 0, 1390},
		"TCP with options":        {packet{flags: ack, partial: true, tcpOptions: make([]byte, 12), payload: big}, 0, 1398},
		"TCP behind a tag":        {packet{flags: ack, partial: true, tags: []uint16{5}, payload: big}, 0, 1410},
		"UDP over IPv4":           {packet{udp: true, partial: true, payload: big}, 1300, 1300},
		"UDP over IPv6":           {packet{udp: true, v6: true, partial: true, payload: big}, 1200, 1200},
		"UDP of two small pieces": {packet{udp: true, partial: true, payload: big[:2]}, 1, 1},
	} {
		h, ok := offload.Guess(c.p.frame(), c.gsoSize, 1450)
		if want := c.p.header(c.size); !ok || h != want {
			t.Errorf("%s: %+v, %v, want %+v", name, h, ok, want)
		}
	}
}

func TestGuessRefusals(t *testing.T) {
	big := make([]byte, 5000)
	for name, p := range map[string]packet{
		"finished checksum":      {flags: ack, payload: big},
		"UDP without a size":     {udp: true, partial: true, payload: big},
		"no larger than a frame": {flags: ack, partial: true, payload: big[:1410]},
		"IPv4 options":           {flags: ack, partial: true, options: []byte{1, 1, 1, 1}, payload: big},
		"IPv6 extension header":  {v6: true, flags: ack, partial: true, extension: make([]byte, 8), payload: big},
	} {
		if h, ok := offload.Guess(p.frame(), 0, 1450); ok {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if _, ok := offload.Guess([]byte("runt"), 1, 1450); ok {
		t.Error("a runt is a super-frame")
	}
	if _, ok := offload.Guess((&packet{flags: ack, partial: true, payload: big}).frame(), 0, 40); ok {
		t.Error("segments of no payload")
	}
}

func TestPacketEnd(t *testing.T) {
	p := packet{flags: ack, payload: make([]byte, 10), padding: 6}
	frame := p.frame()
	if got := offload.PacketEnd(frame); got != len(frame)-6 {
		t.Errorf("with padding: %d of %d", got, len(frame))
	}
	frame[16] = 0xff
	if got := offload.PacketEnd(frame); got != 0 {
		t.Errorf("a length that lies: %d", got)
	}
	frame[13] = 6
	if got := offload.PacketEnd(frame); got != 0 {
		t.Errorf("ARP: %d", got)
	}
	if got := offload.PacketEnd(nil); got != 0 {
		t.Errorf("nothing: %d", got)
	}
}

func FuzzGuess(f *testing.F) {
	p := packet{flags: ack, partial: true, payload: make([]byte, 3000)}
	f.Add(p.frame(), 0, 1450)
	p = packet{udp: true, v6: true, partial: true, payload: make([]byte, 3000)}
	f.Add(p.frame(), 1200, 1430)
	f.Fuzz(func(t *testing.T, frame []byte, gsoSize, mtu int) {
		h, ok := offload.Guess(frame, gsoSize&0xffff, 576+mtu&0x1fff)
		if !ok {
			return
		}
		var s offload.Segmenter
		if err := s.Start(h, frame); err != nil {
			t.Fatalf("%+v of %d bytes: %v", h, len(frame), err)
		}
	})
}
