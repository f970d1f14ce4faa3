package station

import "sync/atomic"

// A Reason says why a packet or frame went no further.
type Reason uint8

// The reasons.
const (
	Malformed    Reason = iota // no IP packet, or headers that lie
	Foreign                    // neighbour discovery of the system's own, which is the station's business
	NoRoute                    // to an address that is in no network of the device's, and no gateway leads to
	Unresolved                 // the neighbour does not answer, or more wait for it already than may
	TableFull                  // there is no room for another neighbour
	AddressTaken               // from an own address that another station has
	NotOurs                    // a frame to another station, or of another VLAN
	NotIP                      // a frame of another protocol
	Group                      // a packet to one host in a frame to many (RFC 1122, 3.3.6)
	Unasked                    // an answer to no question, or an address claimed by who may not have it
	Discovery                  // ARP, neighbour discovery or MLD that breaks its rules
	RateLimit                  // more questions than are answered

	reasons // the number of them
)

var reasonNames = [reasons]string{
	Malformed: "malformed", Foreign: "own_discovery", NoRoute: "no_route", Unresolved: "unresolved",
	TableFull: "neighbours_full", AddressTaken: "address_taken", NotOurs: "not_ours", NotIP: "not_ip",
	Group: "unicast_in_group", Unasked: "unasked", Discovery: "bad_discovery", RateLimit: "rate_limit",
}

// String is the reason's name in JSON and metrics, never to be changed.
func (r Reason) String() string { return reasonNames[r] }

type counters [reasons]atomic.Uint64

// drop counts and gives false, for who reports whether a packet may go.
func (c *counters) drop(r Reason) bool {
	c[r].Add(1)
	return false
}

// Drops gives the counts that are not zero, by the reason's name.
func (s *Station) Drops() map[string]uint64 {
	m := make(map[string]uint64)
	for r := range s.counts {
		if n := s.counts[r].Load(); n > 0 {
			m[Reason(r).String()] = n
		}
	}
	return m
}
