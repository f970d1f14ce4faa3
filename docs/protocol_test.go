// Package docs_test sees that what the pages say about bytes is so.
package docs_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A vector is the bytes of a handshake by their names; those of one side have its name before them.
type vector map[string][]byte

// vectorOf reads the vector of a cipher, which the program's own tests hold it to.
func vectorOf(t *testing.T, cipher string) vector {
	t.Helper()
	text, err := os.ReadFile("../tunnel/session/testdata/" + cipher + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	v := vector{}
	v.add(t, "", file)
	return v
}

func (v vector) add(t *testing.T, prefix string, file map[string]any) {
	t.Helper()
	for name, value := range file {
		switch value := value.(type) {
		case map[string]any:
			v.add(t, name+".", value)
		case float64:
			v[prefix+name] = []byte{0, 0, 0, byte(value)}
		case string:
			b, err := hex.DecodeString(value)
			if err != nil { // a name
				b = []byte(value)
			}
			v[prefix+name] = b
		}
	}
}

// TestProtocolVectors computes with another implementation, which was written from the page, what the
// program sends.
func TestProtocolVectors(t *testing.T) {
	for _, cipher := range []string{"aegis-256x2", "aes-256-gcm", "chacha20-poly1305"} {
		want := vectorOf(t, cipher)
		got := vector{}
		for _, name := range []string{
			"protocol", "cipher", "network", "secret", "cookie", "cookie_nonce", "plaintext",
			"initiator.private", "initiator.ephemeral_private", "initiator.index", "initiator.id",
			"initiator.epoch", "responder.private", "responder.ephemeral_private", "responder.index",
			"responder.id", "responder.epoch",
		} {
			got[name] = want[name]
		}
		got.compute()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-the program +the page):\n%s", cipher, diff)
		}
	}
}

// The TCP super-frame of the example, its metadata, and the bytes of headers in both together.
var (
	super = unhex("020000000002 020000000001 0800" +
		"4500008c 12344000 40061436 0a000001 0a000002" +
		"c0001389 00000001 00000001 5018ffff 14810000" +
		hex.EncodeToString(bytes.Repeat([]byte("vxmesh super-frame, "), 5)))
	superMeta = offload.Header{
		Flags: offload.NeedsCsum, GSOType: offload.GSOTCPv4, HdrLen: 54, GSOSize: 50,
		CsumStart: 34, CsumOffset: 16,
	}
)

// unhex reads hex digits between spaces.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// A talk is what the initiator says once there are keys.
type talk struct {
	v                     vector
	counter               uint64
	datagrams, plaintexts [][]byte
}

func newTalk(v vector) *talk {
	k := &talk{v: v, counter: 1} // the vector's own datagram is the first
	ping := wire.Ping{Number: 0x0102030405060708}
	k.send(wire.Header{}, chunk.Plan{Size: 9, Count: 1}, ping.Append(nil, 0))
	message := make([]byte, offload.HeaderLen, offload.HeaderLen+len(super))
	superMeta.Put(message)
	message = append(message, super...)
	plan, _ := chunk.NewPlan(len(message), offload.HeaderLen+int(superMeta.HdrLen), 80)
	k.send(wire.Header{VNI: 4242, Flags: wire.FlagOffload}, plan, message)
	return k
}

// send seals the chunks of a message.
func (k *talk) send(h wire.Header, plan chunk.Plan, message []byte) {
	h.Index = binary.BigEndian.Uint32(k.v["responder.index"])
	for i := range plan.Count {
		text := message
		if plan.Count > 1 {
			from, to := plan.Range(i)
			text = bytes.Clone(message[from:to])
		}
		h.Chunk, h.Last, h.Counter = uint8(i), i == plan.Count-1, k.counter
		if h.Last && plan.Copy > 0 {
			h.Flags |= wire.FlagHeaders
			text = append(append(text, message[:plan.Copy-1]...), byte(plan.Copy-1))
		}
		head := make([]byte, wire.HeaderLen)
		h.Put(head)
		k.plaintexts = append(k.plaintexts, text)
		k.datagrams = append(k.datagrams, k.v.seal(head, text))
		k.counter++
	}
}

// What the example sends in chunks is a frame again at the other end; without its first chunk it is all
// of the payload that was not in there.
func TestProtocolExampleArrives(t *testing.T) {
	k := newTalk(vectorOf(t, "aes-256-gcm"))
	for lost, payload := range [][]byte{super[54:], super[54+16:]} {
		var got received
		r := chunk.NewReassembler(new(chunk.Pool), &got)
		for i := 1 + lost; i < len(k.plaintexts); i++ {
			text, h := k.plaintexts[i], wire.ParseHeader(k.datagrams[i])
			place, reason := r.Place(h, len(text), 1, 0)
			if reason != drop.None {
				t.Fatal(reason)
			}
			copy(place[:len(text)], text)
			r.Commit(h, len(text), 1, false, 0)
		}
		r.Expire(time.Second)
		if len(got.frame) != 54+len(payload) || !bytes.Equal(got.frame[54:], payload) {
			t.Errorf("%d chunks lost: %x", lost, got.frame)
		}
		if lost == 0 && (!bytes.Equal(got.frame, super) || got.meta != superMeta) {
			t.Errorf("%+v %x", got.meta, got.frame)
		}
	}
}

type received struct {
	meta  offload.Header
	frame []byte
}

func (r *received) Deliver(_ uint32, meta offload.Header, parts [][]byte, _ bool) {
	r.meta, r.frame = meta, bytes.Join(parts, nil)
}

func (r *received) Lost(drop.Reason) {}

// TestProtocolExample keeps the example on the page as it is computed; UPDATE_GOLDEN=1 writes it there.
func TestProtocolExample(t *testing.T) {
	const name = "protocol.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	v := vectorOf(t, "aes-256-gcm")
	k := newTalk(v)
	ways := waysOf(t)
	k.send(wire.Header{}, chunk.Plan{Size: len(ways["relay"]), Count: 1}, ways["relay"])
	k.send(wire.Header{}, chunk.Plan{Size: len(ways["call"]), Count: 1}, ways["call"])
	datagrams := append([][]byte{
		v["message_1"], v["cookie_message"], v["message_2"], v["datagram_initiator_to_responder"],
	}, k.datagrams...)
	datagrams = append(datagrams, ways["opener"], ways["hello"])
	want := dump(t, string(page), "datagram", datagrams)
	want = dump(t, want, "payload", [][]byte{v["payload_1"], v["payload_2"]})
	want = dump(t, want, "plaintext", k.plaintexts)
	want = dump(t, want, "message", [][]byte{ways["relayed"], ways["unreached"], ways["answer"]})
	want = dump(t, want, "stun", [][]byte{ways["question"], ways["reply"]})
	want = list(t, want, v)
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("UPDATE_GOLDEN=1 mends it: %s", diff)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// replace replaces what is between each fence of a language and its end.
func replace(page, language string, with func(i int, old string) string) (out string, n int) {
	fence := regexp.MustCompile("(?s)```" + language + "\n(.*?)```")
	out = fence.ReplaceAllStringFunc(page, func(s string) string {
		n++
		return "```" + language + "\n" + with(n-1, fence.FindStringSubmatch(s)[1]) + "```"
	})
	return out, n
}

// dump puts bytes into the blocks of a language, 32 to a line.
func dump(t *testing.T, page, language string, blocks [][]byte) string {
	t.Helper()
	out, n := replace(page, language, func(i int, old string) string {
		if i >= len(blocks) {
			return old
		}
		var b strings.Builder
		for at, v := range blocks[i] {
			fmt.Fprintf(&b, "%02x", v)
			switch {
			case at+1 == len(blocks[i]) || at%32 == 31:
				b.WriteByte('\n')
			case at%8 == 7:
				b.WriteByte(' ')
			}
		}
		return b.String()
	})
	if n != len(blocks) {
		t.Errorf("%d blocks of %s on the page, want %d", n, language, len(blocks))
	}
	return out
}

// list puts the vector's values behind their names. All that is no message has to be on the page.
func list(t *testing.T, page string, v vector) string {
	t.Helper()
	found := map[string]bool{}
	out, _ := replace(page, "values", func(_ int, old string) string {
		var b strings.Builder
		for line := range strings.Lines(old) {
			name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if v[name] == nil {
				t.Errorf("the page has a value %q too many", name)
			}
			fmt.Fprintf(&b, "%-31s %x\n", name, v[name])
			found[name] = true
		}
		return b.String()
	})
	for name := range v {
		message := strings.Contains(name, "message") || strings.Contains(name, "payload") ||
			strings.Contains(name, "datagram")
		if !found[name] && !message && name != "protocol" && name != "cipher" && name != "plaintext" {
			t.Errorf("the page lacks the value %q", name)
		}
	}
	return out
}
