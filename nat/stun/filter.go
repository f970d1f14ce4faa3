package stun

import (
	"net/netip"
	"time"

	pion "github.com/pion/stun/v3"
)

// Filtering says who gets in through a mapping that we opened towards one address (RFC 5780, 5).
type Filtering uint8

// What is found about filtering.
const (
	FilteringUnknown Filtering = iota // not asked, or the server cannot tell
	FilteringOpen                     // anybody
	FilteringAddress                  // only the address that we sent to, from any port
	FilteringBlocked                  // only the address and port that we sent to
)

// The flags in the last byte of a CHANGE-REQUEST: answer from the other address, the other port.
const (
	changeAddress = 0x04
	changePort    = 0x02
)

// NewFilterQuery begins to find out what the NAT or firewall lets in: it asks server to answer from
// its other address, [Result.Other], and to answer from the other port only. It is true only if
// nothing was sent to the other address before, and if the server answers at all: that nothing comes
// back is a finding.
func NewFilterQuery(now time.Duration, server, other netip.AddrPort) *Query {
	server, other = plain(server), plain(other)
	q := &Query{start: now, filter: true}
	if !usable(server) || !usable(other) || server.Addr() == other.Addr() || server.Port() == other.Port() {
		return q
	}
	q.asks = []ask{
		{to: server, from: other, with: changeRequest(changeAddress | changePort)},
		{to: server, from: netip.AddrPortFrom(server.Addr(), other.Port()), with: changeRequest(changePort)},
	}
	return q
}

func changeRequest(flags byte) []pion.Setter {
	return []pion.Setter{pion.RawAttribute{Type: pion.AttrChangeRequest, Value: []byte{0, 0, 0, flags}}}
}

// Filtering is what a query of [NewFilterQuery] has found once it is done.
func (q *Query) Filtering() Filtering {
	switch {
	case !q.filter || len(q.asks) == 0:
		return FilteringUnknown
	case q.asks[0].answered():
		return FilteringOpen
	case q.asks[0].closed || !q.finished():
		return FilteringUnknown
	case q.asks[1].answered():
		return FilteringAddress
	case q.asks[1].closed:
		return FilteringUnknown
	}
	return FilteringBlocked
}
