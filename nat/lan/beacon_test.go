package lan

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

// sequence is 32 bytes that count up.
func sequence(from byte) (out [32]byte) {
	for i := range out {
		out[i] = from + byte(i)
	}
	return out
}

// noon is in the middle of day 20000.
var noon = time.Unix(20000*86400+12*3600, 0)

// vector was made with another implementation of HMAC.
const vector = "0800000000000004" + "01" + "e09736969c980171" + "4e000c9e4f53054e" + "5453"

func TestVector(t *testing.T) {
	me := New(sequence(0), sequence(100))
	if got := hex.EncodeToString(me.Append(nil, noon, 0x5453)); got != vector {
		t.Errorf("HELLO is\n%s, want\n%s", got, vector)
	}
	if got := me.Append([]byte("before"), noon, 1); len(got) != 6+27 || !bytes.HasPrefix(got, []byte("before")) {
		t.Errorf("appended %x", got)
	}
}

func TestParse(t *testing.T) {
	me, other := New(sequence(0), sequence(100)), New(sequence(0), sequence(50))
	stranger := New(sequence(1), sequence(50))
	hello := other.Append(nil, noon, 20001)
	changed := func(at int, by byte) []byte {
		b := bytes.Clone(hello)
		b[at] ^= by
		return b
	}
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		datagram []byte
		now      time.Time
		want     verdict
	}{
		"a member's":           {hello, noon, ours},
		"our clock is behind":  {hello, noon.Add(-day), ours},
		"our clock is ahead":   {hello, noon.Add(day), ours},
		"two days old":         {hello, noon.Add(2 * day), foreign},
		"of two days from now": {hello, noon.Add(-2 * day), foreign},
		"our own":              {me.Append(nil, noon, 20001), noon, own},
		"our own of yesterday": {me.Append(nil, noon.Add(-day), 20001), noon, own},
		"another network's":    {stranger.Append(nil, noon, 20001), noon, foreign},
		"another network tag":  {changed(16, 1), noon, foreign},
		"another index":        {changed(7, 1), noon, malformed},
		"other flags":          {changed(0, 1), noon, malformed},
		"another version":      {changed(8, 3), noon, malformed},
		"no port":              {other.Append(nil, noon, 0), noon, malformed},
		"cut short":            {hello[:26], noon, malformed},
		"too long":             {append(bytes.Clone(hello), 0), noon, malformed},
		"empty":                {nil, noon, malformed},
	} {
		t.Run(name, func(t *testing.T) {
			h, got := me.read(c.datagram, c.now)
			if got != c.want {
				t.Fatalf("verdict %d, want %d", got, c.want)
			}
			if _, ok := me.Parse(c.datagram, c.now); ok != (got == ours) {
				t.Errorf("Parse says %v", ok)
			}
			if got != ours {
				return
			}
			if h.Port != 20001 || !me.Match(h, sequence(50)) || me.Match(h, sequence(51)) {
				t.Errorf("read %+v", h)
			}
		})
	}
}

// TestTagsChange: tomorrow's HELLO has no tag of today's, and nobody's node tag is another's.
func TestTagsChange(t *testing.T) {
	seen := make(map[string]bool)
	for _, self := range []byte{1, 2} {
		for _, now := range []time.Time{noon, noon.Add(12 * time.Hour)} {
			b := New(sequence(0), sequence(self)).Append(nil, now, 1)
			seen[string(b[17:25])] = true
			seen[string(b[9:17])] = true
		}
	}
	if len(seen) != 4+2 {
		t.Errorf("%d tags, want 4 of nodes and 2 of networks", len(seen))
	}
}

func FuzzParse(f *testing.F) {
	hello, _ := hex.DecodeString(vector)
	f.Add(hello)
	f.Add([]byte(header))
	reader := New(sequence(0), sequence(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := parse(b); ok && !bytes.Equal(m.append(nil), b) {
			t.Errorf("%x is read as %+v, which is %x", b, m, m.append(nil))
		}
		if h, ok := reader.Parse(b, noon); ok && (h.Port == 0 || reader.Match(h, sequence(1))) {
			t.Errorf("read %+v", h)
		}
	})
}
