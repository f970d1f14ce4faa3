package stun

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	pion "github.com/pion/stun/v3"
)

// ErrNotOurs says that a message does not answer the request: it is no answer at all, has another
// transaction id, or came from another address than was asked.
var ErrNotOurs = errors.New("not an answer to this request")

// A Transaction is one request to one server, and what is needed to know its answer. It does not
// change, so it is safe for concurrent use.
type Transaction struct {
	server  netip.AddrPort
	request []byte
}

// NewTransaction makes a request to server, with a random transaction id that a stranger who does not
// see the request cannot guess.
func NewTransaction(server netip.AddrPort) *Transaction { return newTransaction(server) }

func newTransaction(server netip.AddrPort, with ...pion.Setter) *Transaction {
	with = append([]pion.Setter{pion.TransactionID, pion.BindingRequest}, with...)
	return &Transaction{plain(server), pion.MustBuild(with...).Raw}
}

// Request returns the request, 20 bytes, which must not be changed.
func (t *Transaction) Request() []byte { return t.request }

// Parse reads an answer that came from an address, and returns the address that the server saw the
// request come from. It returns [ErrNotOurs] for what is not the answer to this request, and other
// errors for an answer that is malformed, a refusal, or names no address that one could be reached at.
func (t *Transaction) Parse(answer []byte, from netip.AddrPort) (netip.AddrPort, error) {
	if plain(from) != t.server || !t.owns(answer) {
		return netip.AddrPort{}, ErrNotOurs
	}
	r, err := parse(answer)
	return r.mapped, err
}

// owns tells whether b is an answer with the id of this transaction.
func (t *Transaction) owns(b []byte) bool {
	return isAnswer(b) && bytes.Equal(b[8:headerLen], t.request[8:headerLen])
}

// A reply is what an answer says.
type reply struct {
	mapped netip.AddrPort
	other  netip.AddrPort // the zero value if the server has no other address
}

// errRefused is wrapped by errors for answers that are errors.
var errRefused = errors.New("server refuses")

// parse reads a message that isAnswer.
func parse(answer []byte) (reply, error) {
	m := pion.New()
	if err := decode(m, answer); err != nil {
		return reply{}, err
	}
	if m.Type == pion.BindingError {
		var code pion.ErrorCodeAttribute
		_ = code.GetFrom(m) // 0 when it says no code; its words are a stranger's
		return reply{}, fmt.Errorf("%w: error %d", errRefused, code.Code)
	}
	return parseSuccess(m)
}

// parseSuccess reads the addresses. A NAT may have translated the one in MAPPED-ADDRESS as well, so it
// counts only where there is no other: servers of RFC 3489 know none.
func parseSuccess(m *pion.Message) (reply, error) {
	for _, a := range m.Attributes {
		if a.Type.Required() && !slices.Contains(answerAttributes, a.Type) {
			return reply{}, fmt.Errorf("answer with attribute %#04x, which is unknown", uint16(a.Type))
		}
	}
	attr := pion.AttrXORMappedAddress
	if !m.Contains(attr) {
		attr = pion.AttrMappedAddress
	}
	mapped, ok := address(m, attr)
	if !ok {
		return reply{}, errors.New("answer without an address that one could be reached at")
	}
	other, ok := address(m, pion.AttrOtherAddress)
	if !ok {
		other = netip.AddrPort{}
	}
	return reply{mapped, other}, nil
}

// reflectedFrom is an attribute of RFC 3489, 11.2.11.
const reflectedFrom pion.AttrType = 0x000b

// answerAttributes are those below 0x8000 that an answer may have. One with any other has failed
// (RFC 8489, 6.3.3).
var answerAttributes = []pion.AttrType{
	pion.AttrXORMappedAddress, pion.AttrMappedAddress,
	pion.AttrSourceAddress, pion.AttrChangedAddress, reflectedFrom,
	pion.AttrMessageIntegrity, pion.AttrMessageIntegritySHA256,
}
