package docs_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/nat/lan"
	"github.com/vxmesh/vxmesh/nat/stun"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A wayMessage is a message about ways, of the vectors that the program's own tests hold it to.
type wayMessage struct {
	Name, Node, Datagram, Number, Bytes string

	Type, Cause byte
	Step        int8
	Candidates  []struct {
		Kind    byte
		Address netip.AddrPort
	}
}

// encode does as the page says.
func (w wayMessage) encode() []byte {
	b := append([]byte{w.Type}, unhex(w.Node+w.Datagram+w.Number)...)
	switch w.Type {
	case 7:
		b = append(b, w.Cause)
	case 12, 13:
		b = append(b, byte(w.Step), byte(len(w.Candidates)))
		for _, c := range w.Candidates {
			ip := c.Address.Addr().As16()
			b = append(append(b, c.Kind), ip[:]...)
			b = binary.BigEndian.AppendUint16(b, c.Address.Port())
		}
	}
	return b
}

// waysOf computes the bytes by which nodes find each other, from the page, and compares them with the
// program's.
func waysOf(t *testing.T) vector {
	t.Helper()
	text, err := os.ReadFile("../tunnel/wire/testdata/path.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []wayMessage
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	v := vector{
		"opener":   unhex("0800000000000005 0000000000000000"),
		"hello":    helloBytes(),
		"question": unhex("0001 0000 2112a442 303132333435363738393a3b"),
	}
	v["reply"] = append(unhex("0101 000c 2112a442 303132333435363738393a3b 0020 0008 00 01"),
		0x7c85>>8^0x21, 0x7c85&0xff^0x12, 198^0x21, 51^0x12, 100^0xa4, 7^0x42)
	for _, w := range list {
		v[w.Name] = w.encode()
		if want := unhex(w.Bytes); !bytes.Equal(v[w.Name], want) {
			t.Errorf("%s: %x by the page, %x by the program", w.Name, v[w.Name], want)
		}
	}
	return v
}

// The HELLO of the example is of its network and its initiator.
var (
	helloKey = sha256.Sum256(append([]byte("vxmesh lan key"),
		unhex("101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f")...))
	helloNode = [32]byte(unhex("392d174a38b3b1beafaf1fe824870841c5fa531bc6eafdb6402c124664488c1c"))
)

const helloDay = 20786 // since 1970: 2026-11-29

func helloBytes() []byte {
	tag := func(label string, id []byte) []byte {
		mac := hmac.New(sha256.New, helloKey[:])
		mac.Write(append(binary.BigEndian.AppendUint32([]byte(label), helloDay), id...))
		return mac.Sum(nil)[:8]
	}
	b := append(unhex("0800000000000004 01"), tag("vxmesh lan network", nil)...)
	return binary.BigEndian.AppendUint16(append(b, tag("vxmesh lan node", helloNode[:])...), 31877)
}

// TestProtocolWays computes what package lan, package stun and package wire say with the page's words.
func TestProtocolWays(t *testing.T) {
	v := waysOf(t)
	now := time.Unix(helloDay*24*60*60+4711, 0)
	if got := lan.New(helloKey, helloNode).Append(nil, now, 31877); !bytes.Equal(got, v["hello"]) {
		t.Errorf("HELLO: %x by the page, %x by the program", v["hello"], got)
	}
	if got := wire.AppendOpener(nil); !bytes.Equal(got, v["opener"]) {
		t.Errorf("opener: %x", got)
	}
	var server stun.Server
	from := netip.MustParseAddrPort("198.51.100.7:31877")
	if got, became := server.Answer(nil, 0, v["question"], from); became != stun.Answered || !bytes.Equal(got, v["reply"]) {
		t.Errorf("STUN: %x by the page, %x by the program", v["reply"], got)
	}
}
