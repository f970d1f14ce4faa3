package roster

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// How much a record says at most.
const (
	MaxEndpoints = 8
	MaxOverlay   = 4
	MaxSequence  = 1 << 63
)

// Flags of a record.
const (
	flagReachable = 1 << iota
	flagRelay
)

// errPrefix says that an address with a length is not one of a segment.
var errPrefix = errors.New("an overlay prefix is not valid")

// An Overlay is an address of a node inside a segment, with the length of its network's prefix.
type Overlay struct {
	VNI    uint32
	Prefix netip.Prefix // of at least 1 bit
}

// A Record is what a member says of itself: how it can be reached.
//
//	byte 0      1 .. 32   33 .. 40   41      42      43 ..
//	version 1   node id   sequence   flags   count   address 16, port 2 each
//
//	count 1   VNI 3, address 16, bits 1 each   signature 64
//
// Flag bit 0 is Reachable, bit 1 is Relay. The bits are those of an IPv4 prefix when the address is
// IPv4.
type Record struct {
	Node      NodeID
	Sequence  uint64 // boot epoch << 32 | counter, at most [MaxSequence]; the largest is in force
	Reachable bool   // whether anybody can start a session with it
	Relay     bool   // whether it passes on what is sealed for others

	Endpoints []netip.AddrPort // unicast, ascending, at most [MaxEndpoints]
	Overlay   []Overlay        // ascending, at most [MaxOverlay]
	Raw       []byte           // the encoding, at most 332 bytes
}

// Sign makes a record of the node whose key it is; Node and Raw of r are not looked at.
func (r Record) Sign(network NetworkID, key ed25519.PrivateKey) (*Record, error) {
	r.Node = signKeyOf(key).Node()
	b, err := r.appendBody(make([]byte, 0, MaxItem))
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return ParseRecord(sealed(key, contextRecord, network, b))
}

func (r *Record) appendBody(b []byte) ([]byte, error) {
	b = append(append(b, version), r.Node[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Sequence)
	b = append(b, r.flags())
	b, err := appendEndpoints(b, r.Endpoints, MaxEndpoints)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, o := range r.Overlay {
		if o.VNI > maxVNI {
			return nil, errVNI
		}
		if o.Prefix.Addr().Is4In6() { // its bits are counted in another way
			return nil, errPrefix
		}
		ip := o.Prefix.Addr().As16()
		all = append(all, append(append(vniBytes(o.VNI), ip[:]...), byte(o.Prefix.Bits())))
	}
	return appendList(b, all, MaxOverlay)
}

func (r *Record) flags() (f byte) {
	if r.Reachable {
		f |= flagReachable
	}
	if r.Relay {
		f |= flagRelay
	}
	return f
}

// ParseRecord reads a record. It checks its form, not its signature.
func ParseRecord(b []byte) (*Record, error) {
	r := reader{rest: b}
	r.version()
	v := &Record{Node: r.array32(), Sequence: r.uint64()}
	flags := r.flags(flagReachable | flagRelay)
	v.Reachable, v.Relay = flags&flagReachable != 0, flags&flagRelay != 0
	v.Endpoints = r.endpoints(0, MaxEndpoints)
	v.Overlay = r.overlay()
	r.refuseIf(v.Sequence > MaxSequence, errors.New("its sequence is too large"))
	if err := r.signature(); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	v.Raw = bytes.Clone(b)
	return v, nil
}

func (r *reader) overlay() []Overlay {
	var all []Overlay
	for _, e := range r.list(MaxOverlay, 20) {
		p := netip.PrefixFrom(netip.AddrFrom16([16]byte(e[3:])).Unmap(), int(e[19]))
		r.refuseIf(p.Bits() < 1, errPrefix)
		all = append(all, Overlay{VNI: r.vni(e), Prefix: p})
	}
	return all
}

// Verify checks that the record is that of the node with the key, and signed by it.
func (r *Record) Verify(network NetworkID, key SignKey) error {
	if r.Node != key.Node() {
		return fmt.Errorf("record of node %s: %w", r.Node, ErrSignature)
	}
	if err := verifySealed(key, contextRecord, network, r.Raw); err != nil {
		return fmt.Errorf("record of node %s: %w", r.Node, err)
	}
	return nil
}

// Loopback tells whether an endpoint is a loopback address, which only a test can want.
func (r *Record) Loopback() bool {
	return slices.ContainsFunc(r.Endpoints, func(a netip.AddrPort) bool { return a.Addr().IsLoopback() })
}
