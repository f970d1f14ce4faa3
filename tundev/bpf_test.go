package tundev

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// bpfHeader is what lies before a frame: 8 bytes of time, two lengths, its own with two bytes to
// fill up.
func bpfHeader(captured, original byte) []byte {
	h, _ := hex.DecodeString("1122334455667788" + "00000000" + "00000000" + "1400" + "0000")
	h[8], h[12] = captured, original
	return h
}

func splitAll(buf []byte) (frames []string, err error) {
	err = splitBPF(buf, func(f []byte) { frames = append(frames, string(f)) })
	return frames, err
}

func TestSplitBPF(t *testing.T) {
	first := append(bpfHeader(5, 5), "first\x00\x00\x00"...) // to the next multiple of four
	partly := append(bpfHeader(4, 9), "part"...)
	last := append(bpfHeader(6, 6), "second"...) // the last is not filled up
	short := bytes.Clone(last)
	short[16] = 18 // no bytes to fill up, as headers of 18 bytes have it
	copy(short[18:], "second")
	for name, c := range map[string]struct {
		buf  []byte
		want string
		bad  bool
	}{
		"two":               {slices.Concat(first, last), "first second", false},
		"a part of one":     {slices.Concat(first, partly, last), "first second", false},
		"a shorter header":  {short[:24], "second", false},
		"nothing":           {nil, "", false},
		"half a header":     {slices.Concat(first, last[:17]), "first", true},
		"a frame too short": {slices.Concat(first, last[:len(last)-1]), "first", true},
		"a small header":    {slices.Concat(first[:16], []byte{17, 0}, first[18:]), "", true},
		"a huge length": {func() []byte {
			b := bytes.Clone(first)
			copy(b[8:], "\xff\xff\xff\xff\xff\xff\xff\xff")
			return b
		}(), "", true},
	} {
		frames, err := splitAll(c.buf)
		if got := strings.Join(frames, " "); got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestBPFHeader compares with what golang.org/x/sys/unix says of macOS.
func TestBPFHeader(t *testing.T) {
	for _, machine := range []string{"darwin_amd64", "darwin_arm64"} {
		got := takeInventory(t, machine).fields["BpfHdr"]
		if !strings.HasPrefix(got, "Tstamp Timeval32, Caplen uint32, Datalen uint32, Hdrlen uint16, ") {
			t.Errorf("%s: struct bpf_hdr is %s", machine, got)
		}
	}
}

// FuzzSplitBPF: whatever the buffer has, frames are parts of it, in turn, and it ends.
func FuzzSplitBPF(f *testing.F) {
	f.Add(slices.Concat(bpfHeader(5, 5), []byte("first\x00\x00\x00"), bpfHeader(6, 6), []byte("second")))
	f.Add(bpfHeader(0, 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, buf []byte) {
		frames, total := 0, 0
		_ = splitBPF(buf, func(frame []byte) {
			frames++
			total += len(frame)
		})
		if total+frames*bpfHeaderLen > len(buf) {
			t.Errorf("%d frames of %d bytes in %d", frames, total, len(buf))
		}
	})
}
