package roster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxItem is how long an item is at most on its way, in bytes: with one, a message still crosses a
// path of 576 bytes.
const MaxItem = 420

// itemHead is the length of what stands before the object.
const itemHead = 3

// An ItemKind says which kind of object an item is.
type ItemKind uint8

// The kinds.
const (
	ItemCertificate ItemKind = 1
	ItemRecord      ItemKind = 2
	ItemRevocation  ItemKind = 3
	ItemSecret      ItemKind = 4
)

func (k ItemKind) String() string {
	switch k {
	case ItemCertificate:
		return "certificate"
	case ItemRecord:
		return "record"
	case ItemRevocation:
		return "revocation"
	case ItemSecret:
		return "secret"
	}
	return fmt.Sprintf("item kind %d", uint8(k))
}

// An Item is an object on its way.
//
//	byte 0   1 2      3 ..
//	kind     length   object
type Item struct {
	Kind ItemKind
	Raw  []byte // the object's encoding
}

// Item is the certificate on its way; it shares the encoding, as the others do.
func (c *Certificate) Item() Item { return Item{ItemCertificate, c.Raw} }

// Item is the record on its way.
func (r *Record) Item() Item { return Item{ItemRecord, r.Raw} }

// Item is the revocation on its way.
func (v *Revocation) Item() Item { return Item{ItemRevocation, v.Raw} }

// Item is the secret on its way.
func (s *Secret) Item() Item { return Item{ItemSecret, s.Raw} }

// Format keeps secrets out of logs.
func (it Item) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s of %d bytes", it.Kind, len(it.Raw)) }

// AppendItem appends an item. It panics when the object is longer than any can be.
func AppendItem(b []byte, it Item) []byte {
	if itemHead+len(it.Raw) > MaxItem {
		panic(fmt.Sprintf("roster: %v is too long", it))
	}
	b = append(b, byte(it.Kind))
	b = binary.BigEndian.AppendUint16(b, uint16(len(it.Raw)))
	return append(b, it.Raw...)
}

// ParseItems reads items up to the end of b, which may have none. It does not look into them.
func ParseItems(b []byte) ([]Item, error) {
	var all []Item
	r := reader{rest: b}
	for len(r.rest) > 0 && r.err == nil {
		kind, length := ItemKind(r.uint8()), int(r.uint16())
		r.refuseIf(kind < ItemCertificate || kind > ItemSecret, errors.New("a kind is unknown"))
		r.refuseIf(length == 0 || itemHead+length > MaxItem, errors.New("a length is impossible"))
		all = append(all, Item{kind, bytes.Clone(r.take(length))})
	}
	if r.err != nil {
		return nil, fmt.Errorf("items: %w", r.err)
	}
	return all, nil
}
