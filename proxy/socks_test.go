package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/proxy"
)

// socks runs a SOCKS server into the segment and gives its address.
func (w *world) socks() string {
	at := free(w.t, "tcp")
	w.offer(Service{VNI: 7, Kind: SOCKS, Network: "tcp", Listen: at})
	return at
}

// TestSOCKSConnect: another's client reaches hosts by address and by name, and half-closes pass.
func TestSOCKSConnect(t *testing.T) {
	w := newWorld(t, nil)
	answerer(t, listen(t, w.far, ":80"), "far ")
	client, err := proxy.SOCKS5("tcp", w.socks(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"10.0.0.2:80", "[fd00::2]:80", "far:80"} {
		c, err := client.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		asks(t, c, "far ", 1<<20)
	}
	for to, want := range map[string]string{
		"10.0.0.2:81": "connection refused", "example.com:80": "host unreachable", "192.0.2.1:80": "unreachable",
	} {
		if _, err := client.Dial("tcp", to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", to, err, want)
		}
	}
	if s := w.Stats()[0]; s.Failed != 3 || s.Total != 6 {
		t.Errorf("%+v", s)
	}
}

// hello is the greeting and a request up to its address.
const hello = "\x05\x01\x00\x05\x01\x00"

// TestSOCKSHostile: what is no request gets the answer that is due, or none, and the connection ends.
func TestSOCKSHostile(t *testing.T) {
	w := newWorld(t, func(l *limits) { l.handshake = 100 * time.Millisecond })
	at := w.socks()
	for sent, want := range map[string]string{
		"":                                     "", // and nothing more
		"\x05":                                 "",
		"\x05\xff\x01":                         "",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":    "",
		"\x04\x01\x00\x50\x0a\x00\x00\x02\x00": "", // version 4
		"\x05\x01\x02":                         "\x05\xff",
		"\x05\x00":                             "\x05\xff",
		"\x05\x01\x00\x04\x01\x00\x01":         "\x05\x00",
		hello[:4] + "\x02\x00\x01\x0a\x00\x00\x02\x00\x50": "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00", // BIND
		hello + "\x02\x0a\x00\x00\x02\x00\x50":             "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00",
		hello + "\x03\x00\x00\x50":                         "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00",
		hello + "\x03\x05a\x00b:/\x00\x50":                 "\x05\x00\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00",
		hello + "\x03\xff" + strings.Repeat("x", 99):       "\x05\x00",
	} {
		c := dial(t, "tcp", at)
		_, _ = io.WriteString(c, sent)
		got, err := io.ReadAll(c)
		if ok := string(got) == want && !errors.Is(err, errTimeout(err)); !ok {
			t.Errorf("%q got %q, %v, want %q", sent, got, err, want)
		}
		_ = c.Close()
	}
	eventually(t, "all to be gone", func() bool { return w.Stats()[0].Open == 0 })
}

// errTimeout is err when the test itself lost patience; a reset is as good an end as any.
func errTimeout(err error) error {
	if isTimeout(err) {
		return err
	}
	return errors.New("")
}

// associated asks for a UDP association on a connection of its own.
func associated(t *testing.T, at string) (c, socket net.Conn) {
	t.Helper()
	c = dial(t, "tcp", at)
	_, _ = io.WriteString(c, "\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00")
	head := make([]byte, 5)
	if _, err := io.ReadFull(c, head); err != nil || head[3] != 0 {
		t.Fatalf("% x, %v", head, err)
	}
	addr, err := readAddress(c)
	if err != nil {
		t.Fatal(err)
	}
	return c, dial(t, "udp", addr)
}

// TestSOCKSDatagrams: datagrams go to several hosts at once, those of strangers nowhere, and all ends
// with the connection.
func TestSOCKSDatagrams(t *testing.T) {
	w := newWorld(t, nil)
	s, err := w.far.ListenPacket("udp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	echoer(t, s, "far ")
	c, socket := associated(t, w.socks())
	buf := make([]byte, passSize)
	for _, to := range []string{"10.0.0.2:53", "[fd00::2]:53", "10.0.0.2:53"} {
		at := netip.MustParseAddrPort(to)
		_, _ = socket.Write(appendDatagram(nil, at, []byte("hi")))
		n, err := socket.Read(buf)
		if want := appendDatagram(nil, at, []byte("far hi")); err != nil || !bytes.Equal(buf[:n], want) {
			t.Errorf("%s answered % x, %v", to, buf[:n], err)
		}
	}
	stranger := dial(t, "udp", socket.RemoteAddr().String())
	_, _ = stranger.Write(appendDatagram(nil, netip.MustParseAddrPort("10.0.0.2:53"), []byte("no")))
	_, _ = socket.Write([]byte{0, 0, 1, addressIPv4, 10, 0, 0, 2, 0, 53, 'n', 'o'}) // a fragment
	_, _ = socket.Write([]byte{0, 0})
	_, _ = socket.Write([]byte("\x00\x00\x00\x03\x03far\x00\x35by name"))
	n, err := socket.Read(buf)
	if err != nil || !bytes.HasSuffix(buf[:n], []byte("far by name")) {
		t.Errorf("behind what is dropped came %q, %v", buf[:n], err)
	}
	eventually(t, "three conversations", func() bool { return w.Stats()[0].Open == 1+3 })
	_ = c.Close()
	eventually(t, "all to be gone", func() bool { return w.Stats()[0].Open == 0 })
}

// TestSOCKSFull: an association cannot have more conversations than there may be.
func TestSOCKSFull(t *testing.T) {
	w := newWorld(t, func(l *limits) { l.flows = 3 })
	_, socket := associated(t, w.socks())
	for port := range uint16(5) {
		to := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), 1+port)
		_, _ = socket.Write(appendDatagram(nil, to, []byte("x")))
	}
	eventually(t, "the limit", func() bool {
		s := w.Stats()[0]
		return s.Open == 3 && s.Refused == 3 // the connection is one of the three
	})
}

func TestReplyBytes(t *testing.T) {
	for at, want := range map[string]string{
		"192.0.2.1:258":     "05 00 00 01 c0 00 02 01 01 02",
		"[2001:db8::1]:258": "05 00 00 04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 01 02",
	} {
		got := fmt.Sprintf("% x", appendReply(nil, replySucceeded, netip.MustParseAddrPort(at)))
		if got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

// FuzzSOCKS feeds a connection and a datagram: what is taken is a place, and not more is read than it is.
func FuzzSOCKS(f *testing.F) {
	for _, seed := range []string{
		"\x05\x01\x00\x05\x01\x00\x01\x0a\x00\x00\x02\x00\x50rest", "\x00\x00\x00\x03\x03far\x00\x35hi",
		"\x05\x02\x00\x02\x05\x03\x00\x04\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x50", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		if readGreeting(r) == nil {
			if _, to, err := readRequest(r); err == nil {
				checkPlace(t, to)
			}
		}
		to, payload, err := parseDatagram(b)
		if err != nil {
			return
		}
		checkPlace(t, to)
		at, err := netip.ParseAddrPort(to)
		if err != nil || b[3] == addressName || at.Addr().Is4In6() {
			return // only an address has one way to be written
		}
		if again := appendDatagram(nil, at, payload); !bytes.Equal(again[2:], b[2:]) {
			t.Errorf("% x became % x", b, again)
		}
	})
}

func checkPlace(t *testing.T, to string) {
	t.Helper()
	if host, port, err := net.SplitHostPort(to); host == "" || port == "" {
		if !strings.ContainsAny(to, ":[]") || err == nil {
			t.Errorf("%q is no place: %v", to, err)
		}
	}
}
