package offload_test

import (
	"testing"

	"github.com/vxmesh/vxmesh/tundev/offload"
)

// TestHeaderBytes has the bytes of a virtio_net_hdr with every field different (VIRTIO 1.3, 5.1.6).
func TestHeaderBytes(t *testing.T) {
	want := [offload.HeaderLen]byte{
		0x01,       // flags
		0x81,       // GSO type
		0x42, 0x00, // header length
		0xa8, 0x05, // GSO size
		0x22, 0x01, // checksum start
		0x10, 0x02, // checksum offset
	}
	h := offload.Header{
		Flags: offload.NeedsCsum, GSOType: offload.GSOTCPv4 | offload.GSOECN,
		HdrLen: 0x42, GSOSize: 0x5a8, CsumStart: 0x122, CsumOffset: 0x210,
	}
	var got [offload.HeaderLen]byte
	h.Put(got[:])
	if got != want {
		t.Errorf("Put: % x, want % x", got, want)
	}
	if back := offload.ParseHeader(want[:]); back != h {
		t.Errorf("ParseHeader: %+v, want %+v", back, h)
	}
}

func TestHeaderIsSuper(t *testing.T) {
	for gsoType, want := range map[uint8]bool{
		offload.GSONone: false, offload.GSOECN: false, offload.GSOTCPv4: true, offload.GSOTCPv6: true,
		offload.GSOUDPL4: true, offload.GSOTCPv6 | offload.GSOECN: true, 3: true,
	} {
		if got := (offload.Header{GSOType: gsoType}).IsSuper(); got != want {
			t.Errorf("GSO type %#x: %v", gsoType, got)
		}
	}
}
