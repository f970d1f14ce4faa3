package session

import (
	"bytes"
	"encoding/hex"
	"runtime"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

func TestHandshake(t *testing.T) {
	a, b := newPair(t)
	m1 := a.call()
	if len(m1) != 544 || !b.Screen(m1) || a.Screen(m1) {
		t.Fatalf("message 1: %d bytes, screened by b %v, by a %v", len(m1), b.Screen(m1), a.Screen(m1))
	}
	r := b.Receive(time.Second, a.addr, m1)
	if r.Peer != b.peer || r.New == nil || r.Reason != drop.None || r.Event != NoEvent {
		t.Fatalf("message 1: %+v", r)
	}
	if b.peer.Current() != nil || r.New.Confirmed() || r.New.Initiator() {
		t.Error("the responder sends before it knows that the initiator has the keys")
	}
	if len(r.Reply) != 496 || !a.Screen(r.Reply) || b.Screen(r.Reply) {
		t.Fatalf("message 2: %d bytes", len(r.Reply))
	}
	tb := r.New
	r = a.Receive(2*time.Second, b.addr, r.Reply)
	ta := r.New
	if r.Peer != a.peer || ta == nil || r.Reason != drop.None || a.peer.Current() != ta {
		t.Fatalf("message 2: %+v", r)
	}
	if !ta.Confirmed() || !ta.Initiator() || ta.Created() != 2*time.Second {
		t.Errorf("the initiator's session: %+v", ta)
	}
	if ta.Index() != tb.RemoteIndex() || tb.Index() != ta.RemoteIndex() || ta.Index() < wire.MinIndex {
		t.Errorf("indices %d %d and %d %d", ta.Index(), ta.RemoteIndex(), tb.Index(), tb.RemoteIndex())
	}
	if c := ta.Cipher(); c != tb.Cipher() || c != AES256GCM && c != AEGIS256X2 { // whichever this machine has
		t.Errorf("ciphers %v and %v", ta.Cipher(), tb.Cipher())
	}
	for range 3 {
		if got := exchange(t, ta, tb, "there"); got != drop.None {
			t.Error(got)
		}
		if got := exchange(t, tb, ta, "and back"); got != drop.None {
			t.Error(got)
		}
	}
	if !b.peer.Confirm(tb) || b.peer.Confirm(tb) || b.peer.Current() != tb {
		t.Error("the first datagram, and only that, makes the session current")
	}
}

func TestPeersSayWhatTheyAre(t *testing.T) {
	a, b := newPair(t, func(a, b *Options) { a.Epoch, b.Epoch, b.Caps = 7, 9, CapUSO })
	connect(t, 0, a, b)
	for _, c := range []struct {
		p     *Peer
		e     *Endpoint
		i     byte
		epoch uint32
		caps  Caps
	}{{b.peer, a.Endpoint, 1, 7, CapCsum | CapTSO}, {a.peer, b.Endpoint, 2, 9, CapUSO}} {
		if c.p.Key() != c.e.Public() || c.p.ID() != c.e.o.ID || c.p.Caps() != c.caps ||
			c.p.Epoch() != c.epoch || !bytes.Equal(c.p.Certificate(), []byte{'c', c.i}) ||
			c.p.Head() != [40]byte{'h', c.i} {
			t.Errorf("node %d said %x %x %v %d %q %q", c.i,
				c.p.Key(), c.p.ID(), c.p.Caps(), c.p.Epoch(), c.p.Certificate(), c.p.Head())
		}
	}
}

// Every bit of a handshake datagram is either fixed, sealed or covered by a mac.
func TestHandshakeEveryByteCounts(t *testing.T) {
	a, b := newPair(t)
	m1 := a.call()
	m2 := b.Receive(0, a.addr, m1).Reply
	for _, c := range []struct {
		name string
		to   *node
		m    []byte
	}{{"message 1", b, m1}, {"message 2", a, m2}} {
		for i := range len(c.m) - 16 { // mac2 is asked for under load only
			m := bytes.Clone(c.m)
			m[i] ^= 0x40
			if c.to.Screen(m) {
				t.Errorf("%s: byte %d changed, and it passes the screen", c.name, i)
			}
			if r := c.to.Receive(time.Hour, a.addr, m); r.Reason != drop.Auth || r.Reply != nil {
				t.Errorf("%s: byte %d changed: %+v", c.name, i, r)
			}
		}
		for _, m := range [][]byte{nil, c.m[:15], c.m[:len(c.m)-1], append(bytes.Clone(c.m), 0)} {
			if r := c.to.Receive(time.Hour, a.addr, m); r.Reason != drop.Auth || r.Reply != nil {
				t.Errorf("%s of %d bytes: %+v", c.name, len(m), r)
			}
		}
	}
	m := bytes.Clone(m2)
	m[len(m)-1] = 1
	if a.Screen(m) {
		t.Error("message 2 with a second mac passes")
	}
	if r := a.Receive(0, b.addr, m2); r.New == nil {
		t.Errorf("after all the forged ones, the true message 2: %+v", r)
	}
}

// remac makes the mac right again for the receiver, as anybody who has the network's secret can.
func remac(to *node, m []byte) []byte {
	m = bytes.Clone(m)
	mac := authenticate(receiverKey(to.o.Secrets[0], to.public, "vxmesh1 mac1"), beforeMAC1(m))
	copy(mac1(m), mac[:])
	return m
}

// A member of the network that is none of the two cannot change what they say.
func TestHandshakeSealed(t *testing.T) {
	a, b := newPair(t)
	m1 := a.call()
	for i := 16; i < len(m1)-32; i += 5 {
		m := bytes.Clone(m1)
		m[i] ^= 1
		r := b.Receive(time.Duration(i)*time.Minute, a.addr, remac(b, m))
		if r.Reason != drop.Auth || r.Reply != nil || r.Peer != nil {
			t.Fatalf("byte %d changed: %+v", i, r)
		}
	}
	m2 := b.Receive(24*time.Hour, a.addr, m1).Reply
	if m2 == nil {
		t.Fatal("no message 2")
	}
	for i := 16; i < len(m2)-32; i += 5 {
		m := bytes.Clone(m2)
		m[i] ^= 1
		if r := a.Receive(0, b.addr, remac(a, m)); r.Reason != drop.Auth || r.Peer != nil {
			t.Fatalf("byte %d changed: %+v", i, r)
		}
	}
	if r := a.Receive(0, b.addr, m2); r.New == nil {
		t.Errorf("then the true message 2: %+v", r)
	}
}

func TestStrangersGetNoAnswer(t *testing.T) {
	for name, change := range map[string]func(a, b *Options){
		"another secret":  func(a, _ *Options) { a.Secrets[0][0]++ },
		"another network": func(a, _ *Options) { a.Network[0]++ },
	} {
		a, b := newPair(t, change)
		if r := b.Receive(0, a.addr, a.call()); r.Reason != drop.Auth || r.Reply != nil || r.Peer != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// The secret is in the keys themselves, not only in the macs before them.
func TestSecretIsInTheKeys(t *testing.T) {
	a, b := newPair(t)
	a.newest().psk = derive([]byte("another"), nil, "vxmesh1 psk")
	r := b.Receive(0, a.addr, a.call())
	if r = a.Receive(0, b.addr, r.Reply); r.Reason != drop.Auth || r.New != nil {
		t.Errorf("message 2 with another secret: %+v", r)
	}
}

func TestUnknownPeer(t *testing.T) {
	a, b := newPair(t)
	b.Remove(b.peer)
	m1 := a.call()
	r := b.Receive(0, a.addr, m1)
	if r.Reason != drop.Auth || r.Event != UnknownPeer || r.Reply != nil || r.Peer != nil {
		t.Fatalf("%+v", r)
	}
	c := r.Claim
	if c == nil || c.Key != a.public || c.ID != a.o.ID || c.Epoch != 1 || c.Head != [40]byte{'h', 1} ||
		string(c.Certificate) != "c\x01" {
		t.Errorf("claim %+v", c)
	}
	b.peer = addPeer(t, b.Endpoint, a.public)
	if r := b.Receive(0, a.addr, m1); r.New == nil {
		t.Errorf("the same message once the peer was added: %+v", r)
	}
}

func TestOwnKey(t *testing.T) {
	a, _ := newPair(t)
	clone := New(options(1))
	// Nobody adds his own key as a peer, but a clone that is told to call this node does.
	p := &Peer{
		e: clone, key: a.public,
	}
	r := a.Receive(0, a.addr, p.begin(clone.newest(), [16]byte{}))
	if r.Event != OwnKey || r.Reason != drop.Auth || r.Reply != nil || r.Claim.Key != a.public {
		t.Errorf("%+v", r)
	}
}

// forge1 makes a message 1 with a payload of the test's making.
func forge1(n *node, change func(b []byte)) []byte {
	h := n.payload()
	n.peer.number++
	h.cipher, h.counter = n.o.offer(), n.peer.number
	b := h.marshal()
	change(b)
	m := newMessage(wire.Handshake1, 300, 0)
	m, _, _, err := n.handshake(n.newest(), n.peer.key[:]).WriteMessage(m, b)
	if err != nil {
		panic(err)
	}
	return n.peer.seal(n.newest(), m)
}

// forge2 makes a message 2 likewise, that answers m1.
func forge2(t testing.TB, n *node, m1 []byte, change func(b []byte)) []byte {
	t.Helper()
	hs := n.handshake(n.newest(), nil)
	if _, _, _, err := hs.ReadMessage(nil, noisePart(m1)); err != nil {
		t.Fatal(err)
	}
	h := n.payload()
	h.cipher = uint8(AES256GCM)
	text := h.marshal()
	change(text)
	m2, _, _, err := hs.WriteMessage(newMessage(wire.Handshake2, 300, sender(m1)), text)
	if err != nil {
		t.Fatal(err)
	}
	return n.peer.seal(n.newest(), m2)
}

// badPayloads break a payload, each in one way.
var badPayloads = map[string]func(b []byte){
	"version 0":                 func(b []byte) { b[0] = 0 },
	"version 2":                 func(b []byte) { b[0] = 2 },
	"a certificate too long":    func(b []byte) { b[100], b[101] = 1, 43 },
	"a certificate of 64 KB":    func(b []byte) { b[100], b[101] = 0xff, 0xff },
	"padding that is not zero":  func(b []byte) { b[399] = 1 },
	"padding behind the length": func(b []byte) { b[101]-- },
}

func TestMessage1Payload(t *testing.T) {
	a, b := newPair(t)
	for name, change := range badPayloads {
		if r := b.Receive(0, a.addr, forge1(a, change)); r.Reason != drop.Auth || r.Reply != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	longest := func(b []byte) { b[100], b[101], b[399] = 1, 42, 1 }
	r := b.Receive(0, a.addr, forge1(a, longest))
	if r.New == nil || len(b.peer.Certificate()) != MaxCertificate {
		t.Errorf("the longest certificate: %+v", r)
	}
	later := func(b []byte) { b[1] |= 0x78; b[2] = 0xff }
	if r := b.Receive(0, a.addr, forge1(a, later)); r.New == nil {
		t.Errorf("ciphers and capabilities of a later version: %+v", r)
	}
}

func TestMessage2Payload(t *testing.T) {
	bad := map[string]func(b []byte){
		"no cipher":      func(b []byte) { b[1] = 0 },
		"two ciphers":    func(b []byte) { b[1] = 3 },
		"not offered":    func(b []byte) { b[1] = 2 },
		"no such cipher": func(b []byte) { b[1] = 8 },
		"cipher and bit": func(b []byte) { b[1] = 0x81 },
		"a challenge":    func(b []byte) { b[12] = 1 },
		"nothing wrong":  func([]byte) {},
	}
	for name, change := range badPayloads {
		bad[name] = change
	}
	for name, change := range bad {
		a, b := newPair(t, func(a, _ *Options) { a.Ciphers = []Cipher{AES256GCM} })
		m1 := a.call()
		m2 := forge2(t, b, m1, change)
		r := a.Receive(0, b.addr, m2)
		if name == "nothing wrong" {
			if r.New == nil {
				t.Errorf("%s: %+v", name, r)
			}
		} else if r.Reason != drop.Auth || r.New != nil || a.peer.attempt != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// An index below 256 is no session's: datagrams with it would be something else.
func TestReservedIndices(t *testing.T) {
	a, b := newPair(t)
	for _, index := range []byte{0, 3, 255} {
		m1 := a.call()
		copy(m1[8:], []byte{0, 0, 0, index})
		if r := b.Receive(0, a.addr, remac(b, m1)); r.Reason != drop.Auth || r.Reply != nil {
			t.Errorf("message 1 from %d: %+v", index, r)
		}
		m2 := b.Receive(0, a.addr, a.call()).Reply
		copy(m2[8:], []byte{0, 0, 0, index})
		if r := a.Receive(0, b.addr, remac(a, m2)); r.Reason != drop.Auth || r.New != nil {
			t.Errorf("message 2 from %d: %+v", index, r)
		}
	}
	m1 := a.call()
	copy(m1[8:], []byte{0, 0, 1, 0})
	if r := b.Receive(0, a.addr, remac(b, m1)); r.New == nil {
		t.Errorf("message 1 from 256: %+v", r)
	}
	r := b.Receive(0, a.addr, a.call())
	copy(r.Reply[8:], []byte{0, 0, 1, 0})
	if r := a.Receive(0, b.addr, remac(a, r.Reply)); r.New == nil {
		t.Errorf("message 2 from 256: %+v", r)
	}
}

func TestNewIndex(t *testing.T) {
	stream, err := hex.DecodeString("00000000" + "000000ff" + "00000100" + "00000100" + "01020304")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := newPair(t)
	a.o.Rand = bytes.NewReader(stream)
	if got := a.newIndex(a.peer); got != 0x100 {
		t.Errorf("the first index is %#x", got)
	}
	if got := a.newIndex(a.peer); got != 0x01020304 {
		t.Errorf("the second index is %#x: 0x100 was taken", got)
	}
}

// Points of low order make every agreement zero, whoever makes it.
func TestLowOrderPoints(t *testing.T) {
	a, b := newPair(t)
	for _, point := range lowOrder {
		raw, err := hex.DecodeString(point)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Add(PublicKey(raw)); err == nil {
			t.Errorf("a peer with key %s", point)
		}
		m1 := a.call()
		copy(m1[16:], raw)
		if r := b.Receive(0, a.addr, remac(b, m1)); r.Reason != drop.Auth || r.Reply != nil {
			t.Errorf("message 1 with %s: %+v", point, r)
		}
		m2 := b.Receive(0, a.addr, a.call()).Reply
		copy(m2[16:], raw)
		if r := a.Receive(0, b.addr, remac(a, m2)); r.Reason != drop.Auth || r.New != nil {
			t.Errorf("message 2 with %s: %+v", point, r)
		}
	}
}

// lowOrder are the points of RFC 7748, 6.1, and its errata: zero, one, and two of order 8.
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
}

func TestAdd(t *testing.T) {
	a, b := newPair(t)
	if _, err := a.Add(a.public); err == nil {
		t.Error("a node is its own peer")
	}
	if _, err := a.Add(b.public); err == nil {
		t.Error("a peer is there twice")
	}
	ta, _ := connect(t, 0, a, b)
	a.Remove(a.peer)
	if _, ok := ta.Reserve(1); ok || len(a.peer.Transports()) != 0 || len(a.indices) != 0 {
		t.Error("a removed peer keeps a session")
	}
	if r := a.Receive(0, b.addr, b.call()); r.Event != UnknownPeer {
		t.Errorf("a removed peer: %+v", r)
	}
	p := addPeer(t, a.Endpoint, b.public)
	p.Initiate(0)
	a.Remove(p)
	if len(a.indices) != 0 {
		t.Error("a removed peer keeps an attempt")
	}
}

func TestLongCertificatePanics(t *testing.T) {
	a, _ := newPair(t, func(a, _ *Options) {
		a.Certificate = func() []byte { return make([]byte, MaxCertificate+1) }
	})
	if panicked(func() { a.call() }) == nil {
		t.Error("a certificate that does not fit was sent")
	}
}

// What cannot happen ends the program before something goes out that was not agreed.
func TestImpossiblePanics(t *testing.T) {
	for name, f := range map[string]func(a *node){
		"no randomness":       func(a *node) { fill(bytes.NewReader(nil), make([]byte, 1)) },
		"an unusable key":     func(a *node) { a.peer.key = PublicKey{}; a.call() },
		"an answer too early": func(a *node) { a.peer.answer(0, 300, a.newest(), a.handshake(a.newest(), nil), AES256GCM) },
	} {
		a, _ := newPair(t)
		value := panicked(func() { f(a) })
		if _, accident := value.(runtime.Error); value == nil || accident {
			t.Errorf("%s: panicked with %v", name, value)
		}
	}
}

func TestWithoutCertificateAndHead(t *testing.T) {
	a, b := newPair(t, func(a, _ *Options) { a.Certificate, a.Head = nil, nil })
	connect(t, 0, a, b)
	if len(b.peer.Certificate()) != 0 || b.peer.Head() != [40]byte{} {
		t.Errorf("certificate %q, head %q", b.peer.Certificate(), b.peer.Head())
	}
}

func TestRandomnessIsTheOwners(t *testing.T) {
	a, _ := newPair(t)
	b, _ := newPair(t)
	c, _ := newPair(t, func(a, _ *Options) { a.Rand = nil })
	first := a.call()
	if !bytes.Equal(first, b.call()) || bytes.Equal(first, c.call()) {
		t.Error("the randomness given is not used, or the system's is none")
	}
}

// A mac that is right does not make up for a wrong form.
func TestFormBehindRightMAC(t *testing.T) {
	a, b := newPair(t)
	m1 := a.call()
	m2 := b.Receive(0, a.addr, m1).Reply
	cookie := b.demand(b.newest(), m1, [16]byte{1}, 0)
	reserved := bytes.Clone(m1)
	reserved[15] = 1
	vni := bytes.Clone(m1)
	vni[6] = 1
	for name, c := range map[string]struct {
		to *node
		m  []byte
	}{
		"message 1, a byte more": {b, append(bytes.Clone(m1), 0)},
		"message 1, a byte less": {b, bytes.Clone(m1[1:])},
		"message 1, reserved":    {b, reserved},
		"message 1, VNI":         {b, vni},
		"message 2, a byte more": {a, append(bytes.Clone(m2), 0)},
		"message 2, a byte less": {a, bytes.Clone(m2[1:])},
		"a cookie, a byte more":  {a, append(bytes.Clone(cookie), 0)},
		"a cookie, a byte less":  {a, cookie[:len(cookie)-1]},
	} {
		if wire.KindOf(c.m) != wire.Cookie {
			copy(c.m, m1[:8])
			if c.to == a {
				copy(c.m, m2[:8])
				clear(mac2(c.m))
			}
			if name == "message 1, VNI" {
				c.m[6] = 1
			}
			c.m = remac(c.to, c.m)
		}
		if c.to.Screen(c.m) {
			t.Errorf("%s passes the screen", name)
		}
		if r := c.to.Receive(0, b.addr, c.m); r.Reason != drop.Auth || r.Reply != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestPayloadLength(t *testing.T) {
	for _, n := range []int{0, 1, 101, 102, 399, 401} {
		b := make([]byte, n)
		copy(b, []byte{version})
		if _, ok := parsePayload(b); ok {
			t.Errorf("a payload of %d bytes is read", n)
		}
	}
}

// The index of a session is no attempt's, though the peer has one.
func TestMessage2ForASession(t *testing.T) {
	a, b := newPair(t)
	m2 := b.Receive(0, a.addr, a.call()).Reply
	a.Receive(0, b.addr, m2)
	a.call()
	if r := a.Receive(0, b.addr, m2); r.Reason != drop.NoSession {
		t.Errorf("message 2 again, while there is another attempt: %+v", r)
	}
}
