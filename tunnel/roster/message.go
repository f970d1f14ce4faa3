package roster

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// MaxMessage is how long a message about members is at most, in bytes: it fits a path of 576 bytes.
const MaxMessage = 500

// How much a message lists at most.
const (
	maxEntries = 13 // no more fit into a message
	maxWanted  = 24
)

// Why a message was refused.
var (
	errMessage = errors.New("a message of unknown type")
	errSize    = errors.New("the message is too long")
	errSummary = errors.New("the summary is of another length")
	errRange   = errors.New("something is outside of its range")
	errWant    = errors.New("it wants nothing that there is")
)

// ItemMessages packs items into messages of at most size bytes, in their order. One that does not fit
// by itself has a message to itself.
//
//	byte 0   1 ..
//	     8   items
func ItemMessages(items []Item, size int) (messages [][]byte) {
	var b []byte
	for _, it := range items {
		if b != nil && len(b)+itemHead+len(it.Raw) > size {
			messages, b = append(messages, b), nil
		}
		if b == nil {
			b = append(make([]byte, 0, size), byte(wire.TypeItems))
		}
		b = AppendItem(b, it)
	}
	if b != nil {
		messages = append(messages, b)
	}
	return messages
}

// A Summary says what a roster holds in so few bytes that it can be told often.
//
//	byte 0   1 .. 32        33 .. 36   37 .. 76           77 .. 84
//	     9   members hash   members    revocations head   secret number
type Summary struct {
	Members [32]byte // of all certificates and records, and of the newest secret
	Count   uint32   // of members, some of which may have expired
	Head    [40]byte // see [Roster.Head]
	Secret  uint64   // number of the newest; 0: none
}

// Append appends the message.
func (s Summary) Append(b []byte) []byte {
	b = append(append(b, byte(wire.TypeSummary)), s.Members[:]...)
	b = binary.BigEndian.AppendUint32(b, s.Count)
	return binary.BigEndian.AppendUint64(append(b, s.Head[:]...), s.Secret)
}

// ParseSummary reads a message; ok is whether it is a summary.
func ParseSummary(b []byte) (s Summary, ok bool) {
	r := reader{rest: b}
	r.messageType(wire.TypeSummary)
	s = Summary{Members: r.array32(), Count: r.uint32(), Head: [40]byte(r.take(40)), Secret: r.uint64()}
	return s, r.end() == nil
}

// A prefix is the first half of a node's id, which nobody else's begins with.
type prefix [16]byte

func prefixOf(id NodeID) prefix { return prefix(id[:16]) }

// An entry says what somebody holds of one node. The tag tells apart what is equally new, such as
// certificates that two admins issued in the same second.
//
//	byte 0 .. 15   16 .. 19                 20 .. 27          28 .. 31
//	id             certificate not before   record sequence   tag
type entry struct {
	id       prefix
	begins   uint32 // seconds
	sequence uint64 // 0: no record
	tag      [4]byte
}

// A digest lists what somebody holds of the nodes from one id to another, both included.
//
//	byte 0   1 .. 32   33 .. 64   65 ..
//	    10   from      to         entries, 32 each, ascending by id, at most 13
type digest struct {
	from, to NodeID
	entries  []entry
}

func (d *digest) append(b []byte) []byte {
	b = append(append(append(b, byte(wire.TypeDigest)), d.from[:]...), d.to[:]...)
	for _, e := range d.entries {
		b = binary.BigEndian.AppendUint32(append(b, e.id[:]...), e.begins)
		b = append(binary.BigEndian.AppendUint64(b, e.sequence), e.tag[:]...)
	}
	return b
}

func parseDigest(b []byte) (*digest, error) {
	r := reader{rest: b}
	r.messageType(wire.TypeDigest)
	d := &digest{from: r.array32(), to: r.array32()}
	first, last := prefixOf(d.from), prefixOf(d.to)
	r.refuseIf(bytes.Compare(d.from[:], d.to[:]) > 0, errRange)
	for len(r.rest) > 0 && r.err == nil {
		e := entry{prefix(r.take(16)), r.uint32(), r.uint64(), [4]byte(r.take(4))}
		r.refuseIf(bytes.Compare(e.id[:], first[:]) < 0 || bytes.Compare(e.id[:], last[:]) > 0, errRange)
		if n := len(d.entries); n > 0 {
			r.refuseIf(bytes.Compare(d.entries[n-1].id[:], e.id[:]) >= 0, errOrder)
		}
		d.entries = append(d.entries, e)
	}
	return d, r.end()
}

// A wantKind says what somebody wants to be told.
type wantKind uint8

// The kinds. Of revocations and secrets one can only want all.
const (
	wantMembers     wantKind = 1
	wantRevocations wantKind = 2
	wantSecrets     wantKind = 3
)

// A want asks for items.
//
//	byte 0   1      2 ..
//	    11   kind   ids, 16 each, ascending, at most 24; only of members
type want struct {
	kind wantKind
	ids  []prefix
}

func (w *want) append(b []byte) []byte {
	b = append(b, byte(wire.TypeWant), byte(w.kind))
	for _, id := range w.ids {
		b = append(b, id[:]...)
	}
	return b
}

func parseWant(b []byte) (*want, error) {
	r := reader{rest: b}
	r.messageType(wire.TypeWant)
	w := &want{kind: wantKind(r.uint8())}
	for len(r.rest) > 0 && r.err == nil {
		id := prefix(r.take(16))
		r.refuseIf(len(w.ids) == maxWanted, errMany)
		if n := len(w.ids); n > 0 {
			r.refuseIf(bytes.Compare(w.ids[n-1][:], id[:]) >= 0, errOrder)
		}
		w.ids = append(w.ids, id)
	}
	r.refuseIf(w.kind < wantMembers || w.kind > wantSecrets, errWant)
	r.refuseIf((w.kind == wantMembers) != (len(w.ids) > 0), errWant)
	return w, r.end()
}
