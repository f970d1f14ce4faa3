package stun

import (
	"net/netip"
	"sync"
	"time"

	pion "github.com/pion/stun/v3"
)

// A Server tells strangers the address that they are seen at, and nothing else: no name of the
// software, no other address of ours, no error. An answer has 32 bytes, or 44 over IPv6, to a question
// of at least 20, and there are few of them, so it is no use to who wants to flood somebody.
//
// The zero value is ready. It is safe for concurrent use.
type Server struct {
	mu     sync.Mutex
	limit  limiter
	counts Counts

	// Kept because a stranger's question should not allocate.
	in, out pion.Message
	mapped  pion.XORMappedAddress
}

// Counts are what became of questions.
type Counts struct {
	Answered uint64
	Refused  uint64 // not a question, or one that asks for more than an address
	Limited  uint64 // too many
}

// An Outcome is what became of a question.
type Outcome uint8

// The outcomes, as [Counts] counts them.
const (
	Answered Outcome = iota
	Refused
	Limited
)

// Counts returns the counts since the server was made.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Answer appends to dst what is sent back to from for its request, from the address that it came to,
// if the outcome is [Answered]; else it appends nothing. dst and request must not overlap.
//
// RFC 8489, 6.3.1 wants error 420 for a request with an attribute that must be understood and is not.
// That would be a longer answer than anybody needs, so there is silence. This is also what requests
// get that want their answer sent elsewhere or from elsewhere (RFC 5780): CHANGE-REQUEST,
// RESPONSE-PORT, PADDING.
func (s *Server) Answer(dst []byte, now time.Duration, request []byte, from netip.AddrPort) ([]byte, Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from = plain(from)
	if !usable(from) || !s.understands(request) {
		s.counts.Refused++
		return dst, Refused
	}
	if !s.limit.take(now, from.Addr()) {
		s.counts.Limited++
		return dst, Limited
	}
	s.counts.Answered++
	return s.appendAnswer(dst, from), Answered
}

// understands takes a request apart, and tells whether it asks for an address and nothing else.
func (s *Server) understands(request []byte) bool {
	if !IsRequest(request) || decode(&s.in, request) != nil {
		return false
	}
	for _, a := range s.in.Attributes {
		if a.Type.Required() {
			return false
		}
	}
	return true
}

// appendAnswer appends the answer to the request that understands took apart.
//
//	01 01   length   cookie   transaction   00 20   length   XOR-MAPPED-ADDRESS
func (s *Server) appendAnswer(dst []byte, from netip.AddrPort) []byte {
	ip := from.Addr().As16()
	s.mapped.IP = append(s.mapped.IP[:0], ip[:]...) // pion knows IPv4 by ::ffff:0:0/96
	s.mapped.Port = int(from.Port())
	s.out.TransactionID = s.in.TransactionID
	if s.out.Build(&success, &s.mapped) != nil {
		panic("stun: an address of 16 bytes is none")
	}
	return append(dst, s.out.Raw...)
}

// success is written to by nobody; pion wants a pointer or allocates.
var success = pion.BindingSuccess
