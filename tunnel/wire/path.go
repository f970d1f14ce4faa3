package wire

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// A Tag names a node between others: the first bytes of its public key.
type Tag = [8]byte

// PutRelay writes what stands before a datagram that its receiver is to pass on to another node
// ([TypeRelay]), or that was passed on and comes from another ([TypeRelayed]).
//
//	byte 0   1 .. 8                       9 ..
//	5 or 6   whom it is for, or is from   the datagram
func PutRelay(b []byte, t Type, node Tag) {
	b[0] = byte(t)
	copy(b[1:RelayLen], node[:])
}

// ParseRelay reads a control message of [TypeRelay] or [TypeRelayed].
func ParseRelay(b []byte) (node Tag, datagram []byte) { return Tag(b[1:RelayLen]), b[RelayLen:] }

// A Cause says why a relay did not pass a datagram on.
type Cause uint8

// The causes.
const (
	CauseUnknown Cause = 1 // it has no session with such a node, or no direct way
	CauseRefused Cause = 2 // it does not relay for the two
	CauseLimit   Cause = 3 // it has relayed as much as it may
)

// An Unreached is a relay's answer to a datagram that it did not pass on.
//
//	byte 0   1 .. 8             9
//	     7   whom it was for    cause
type Unreached struct {
	Node  Tag
	Cause Cause
}

// Append appends the message.
func (u Unreached) Append(b []byte) []byte {
	return append(append(append(b, byte(TypeUnreached)), u.Node[:]...), byte(u.Cause))
}

// ParseUnreached reads a control message of [TypeUnreached].
func ParseUnreached(b []byte) Unreached {
	return Unreached{Node: Tag(b[1:]), Cause: Cause(b[9])}
}

// MaxCandidates is how many addresses a [Call] names at most.
const MaxCandidates = 16

// A Candidate is an address that the sender of a [Call] might be reached at.
type Candidate struct {
	Kind uint8 // as package nat numbers them
	Addr netip.AddrPort
}

// A Call asks a peer to send to the addresses it names, and for the peer's own. Its [TypeAnswer] has the
// same form and number, and is never answered.
//
//	byte 0     1 .. 8   9      10      11 ..
//	12 or 13   number   step   count   kind 1, address 16, port 2 each
//
// Step is by how much the ports of the sender's NAT go on from one destination to the next, as a signed
// byte; 0 for one that does not count.
type Call struct {
	Number     uint64
	Step       int8
	Candidates []Candidate
}

var errCall = errors.New("call: its length is not that of its addresses")

// Append appends the call, or the answer to one, with the first [MaxCandidates] of its addresses.
func (c Call) Append(b []byte, t Type) []byte {
	list := c.Candidates[:min(len(c.Candidates), MaxCandidates)]
	b = binary.BigEndian.AppendUint64(append(b, byte(t)), c.Number)
	b = append(b, byte(c.Step), byte(len(list)))
	for _, a := range list {
		b = appendAddrPort(append(b, a.Kind), a.Addr)
	}
	return b
}

// ParseCall reads a control message of [TypeCall] or [TypeAnswer].
func ParseCall(b []byte) (Call, error) {
	c := Call{Number: binary.BigEndian.Uint64(b[1:]), Step: int8(b[9])}
	const each = 19
	n := int(b[10])
	if n > MaxCandidates || len(b) != CallLen+n*each {
		return Call{}, errCall
	}
	for b = b[CallLen:]; len(b) > 0; b = b[each:] {
		c.Candidates = append(c.Candidates, Candidate{Kind: b[0], Addr: parseAddrPort(b[1:])})
	}
	return c, nil
}
