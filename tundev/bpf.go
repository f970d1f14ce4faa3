package tundev

import (
	"encoding/binary"
	"errors"
)

// A buffer that is read from macOS's BPF has frames behind headers (bpf(4), struct bpf_hdr of
// net/bpf.h), little-endian, each record aligned to 4 bytes:
//
//	0..7       8..11     12..15    16..17     .. header length
//	timestamp  captured  original  header     frame
//	                     length    length
const (
	bpfHeaderLen = 18
	bpfAlign     = 4
)

var errBadBPF = errors.New("a BPF buffer makes no sense")

// splitBPF hands the frames of a buffer to take, in turn. A frame of which BPF kept only a part is
// left out.
func splitBPF(buf []byte, take func(frame []byte)) error {
	for len(buf) > 0 {
		if len(buf) < bpfHeaderLen {
			return errBadBPF
		}
		captured := uint64(binary.LittleEndian.Uint32(buf[8:]))
		original := uint64(binary.LittleEndian.Uint32(buf[12:]))
		begin := uint64(binary.LittleEndian.Uint16(buf[16:]))
		end := begin + captured
		if begin < bpfHeaderLen || end > uint64(len(buf)) {
			return errBadBPF
		}
		if captured == original {
			take(buf[begin:end])
		}
		next := (end + bpfAlign - 1) &^ (bpfAlign - 1)
		buf = buf[min(next, uint64(len(buf))):] // the last is not filled up
	}
	return nil
}
