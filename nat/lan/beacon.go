package lan

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// What tells HELLOs from all else on the mesh's port, and their layout.
const (
	header  = "\x08\x00\x00\x00\x00\x00\x00\x04"
	version = 1

	tagSize = 8
	// Size is the length of a HELLO in bytes.
	Size = len(header) + 1 + 2*tagSize + 2
)

// A Tag stands for a network or a node, to those who have the key, for one day.
type Tag [tagSize]byte

// A Hello is what a HELLO of our network says.
type Hello struct {
	Node Tag    // of the node that sent it; see [Beacon.Match]
	Port uint16 // where the node hears, at the address that the HELLO came from
	day  uint32 // whose tags it has
}

// A Beacon makes and reads the HELLOs of one node of one network. Its methods may be called
// concurrently.
type Beacon struct {
	key, self [32]byte
}

// New makes the beacon of the node with the id self. The key is the network's for this purpose.
func New(key, self [32]byte) *Beacon { return &Beacon{key: key, self: self} }

// Append appends the node's HELLO of the day.
func (b *Beacon) Append(dst []byte, now time.Time, port uint16) []byte {
	day := dayOf(now)
	return message{network: b.network(day), node: b.node(day, b.self), port: port}.append(dst)
}

// Parse reads a HELLO of another node of our network. Clocks may be a day apart.
func (b *Beacon) Parse(datagram []byte, now time.Time) (Hello, bool) {
	h, v := b.read(datagram, now)
	return h, v == ours
}

// Match reports whether a HELLO that was parsed is the node's with that id.
func (b *Beacon) Match(h Hello, id [32]byte) bool {
	want := b.node(h.day, id)
	return hmac.Equal(want[:], h.Node[:])
}

// A verdict says what a datagram is.
type verdict int

const (
	ours      verdict = iota
	own               // what we sent ourselves
	foreign           // of another network
	malformed         // no HELLO
)

// read is Parse with a reason.
func (b *Beacon) read(datagram []byte, now time.Time) (Hello, verdict) {
	m, ok := parse(datagram)
	if !ok {
		return Hello{}, malformed
	}
	today := dayOf(now)
	for _, day := range [...]uint32{today, today - 1, today + 1} {
		if want := b.network(day); !hmac.Equal(want[:], m.network[:]) {
			continue
		}
		h := Hello{Node: m.node, Port: m.port, day: day}
		if b.Match(h, b.self) {
			return Hello{}, own
		}
		return h, ours
	}
	return Hello{}, foreign
}

func dayOf(t time.Time) uint32 { return uint32(t.Unix() / (24 * 60 * 60)) }

func (b *Beacon) network(day uint32) Tag { return b.tag("vxmesh lan network", day, nil) }

func (b *Beacon) node(day uint32, id [32]byte) Tag { return b.tag("vxmesh lan node", day, id[:]) }

// tag is the start of HMAC-SHA256(key, label | day | id). The labels differ before the shorter
// one's end, so that no two inputs are alike.
func (b *Beacon) tag(label string, day uint32, id []byte) (t Tag) {
	mac := hmac.New(sha256.New, b.key[:])
	mac.Write(binary.BigEndian.AppendUint32([]byte(label), day))
	mac.Write(id)
	copy(t[:], mac.Sum(nil))
	return t
}

// A message is a HELLO of any network.
type message struct {
	network, node Tag
	port          uint16
}

func (m message) append(dst []byte) []byte {
	dst = append(append(dst, header...), version)
	dst = append(append(dst, m.network[:]...), m.node[:]...)
	return binary.BigEndian.AppendUint16(dst, m.port)
}

// parse takes nothing but what append makes, with a port that something can be sent to.
func parse(b []byte) (m message, ok bool) {
	if len(b) != Size || string(b[:len(header)]) != header || b[len(header)] != version {
		return message{}, false
	}
	b = b[len(header)+1:]
	m.network, m.node = Tag(b[:tagSize]), Tag(b[tagSize:2*tagSize])
	m.port = binary.BigEndian.Uint16(b[2*tagSize:])
	return m, m.port != 0
}
