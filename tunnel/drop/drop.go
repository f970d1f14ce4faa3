// Package drop names every reason for which a frame or datagram goes no further, and counts by
// reason.
//
// It is the one vocabulary of metrics, `stats`, the capture's comments and `why`: a drop without a
// reason here does not exist, but for what a device of kind tun drops between the system and the segment,
// which tundev/station names. The names are part of the JSON and of the metrics, so they are never
// renamed. A [Counters] may be used by any number of goroutines.
package drop

import "sync/atomic"

// A Reason says why a frame was dropped. The zero Reason, [None], means it was not.
type Reason uint8

// The reasons, in the order in which a frame can meet them.
const (
	None Reason = iota

	// Receiving a datagram (the order of the checks is that of the plain leg's decapsulation).
	Truncated      // shorter than a VXLAN header and an Ethernet header need
	NoVNIFlag      // the I flag of the VXLAN header is not set (RFC 7348, 5)
	VNIUnknown     // no segment here has this VNI
	VTEPUnknown    // the outer source is no VTEP of the segment
	ReservedBits   // a bit that RFC 7348 reserves is set and the policy is to reject
	Runt           // the inner frame is shorter than an Ethernet header
	Malformed      // an inner IP header is cut short or lies about its length
	OwnMAC         // the inner source is this device's own address: a loop or our own echo
	SourceInvalid  // the inner source is a group address or zero
	StaticConflict // the inner source is pinned to another port
	ECN            // congestion experienced outside, not ECN-capable inside (RFC 6040, 4.2)

	// Receiving a datagram that is or should be sealed.
	Junk         // on the mesh port, and nothing that is spoken there
	RateLimit    // a handshake of an address that sends too many
	CookieNeeded // a handshake under load, which has to prove its address first
	Auth         // not sealed or signed by who it should be
	NoSession    // for a session that does not exist here, or to a peer that has none
	Replay       // seen before, or too old to tell
	ChunkTimeout // a message of which some chunks never came
	NotMember    // from a peer that is not in this segment
	Rights       // of a source that the peer's certificate does not let it have
	Refused      // what a peer said of members that is forged or too much
	Early        // what a peer said of a member whose certificate has not come yet: it will be said again
	NotRelayed   // what a peer wants passed on, to somebody unknown here or beyond the limit
	STUNRefused  // a question to STUN that asks for more than an address
	STUNLimit    // a question to STUN, of which there are too many
	OtherNetwork // a HELLO of another network on the LAN
	NotLAN       // to the HELLOs' port, and cannot have come from the LAN

	// Choosing a port.
	SamePort     // the destination is behind the port the frame came from
	SplitHorizon // the destination is behind another VTEP, and VTEPs reach each other themselves
	NoPort       // nobody to send it to

	// Sending.
	TooBig     // larger than the path carries and not allowed to be cut
	Loop       // the remote is routed into the segment's own device, or this is our own datagram
	SendError  // the socket refused the datagram
	DeviceDown // the device is gone or down and is being made again
	DeviceFull // the device refused the frame

	count // the number of reasons, not one of them
)

var names = [count]string{
	None: "none", Truncated: "truncated", NoVNIFlag: "no_vni_flag", VNIUnknown: "vni_unknown",
	VTEPUnknown: "vtep_unknown", ReservedBits: "reserved_bits", Runt: "runt", Malformed: "malformed",
	OwnMAC: "own_mac", SourceInvalid: "source_invalid", StaticConflict: "static_conflict", ECN: "ecn",
	Junk: "junk", RateLimit: "rate_limit", CookieNeeded: "cookie_needed", Auth: "auth",
	NoSession: "no_session", Replay: "replay", ChunkTimeout: "chunk_timeout", NotMember: "not_member",
	Rights: "rights", Refused: "refused", Early: "early", NotRelayed: "not_relayed",
	STUNRefused: "stun_refused", STUNLimit: "stun_limit", OtherNetwork: "other_network", NotLAN: "not_lan",
	SamePort: "same_port", SplitHorizon: "split_horizon", NoPort: "no_port", TooBig: "too_big",
	Loop: "loop", SendError: "send_error", DeviceDown: "device_down", DeviceFull: "device_full",
}

// String is the reason's name in JSON, metrics and captures.
func (r Reason) String() string {
	if r >= count {
		return "invalid"
	}
	return names[r]
}

// Counters counts drops by reason. The zero value is ready; it must not be copied.
type Counters struct{ n [count]atomic.Uint64 }

// Add counts n frames dropped for reason r; None is not counted.
func (c *Counters) Add(r Reason, n uint64) {
	if r != None {
		c.n[r].Add(n)
	}
}

// Map gives the counts that are not zero, by name; never nil.
func (c *Counters) Map() map[string]uint64 {
	m := make(map[string]uint64)
	for r := range c.n {
		if n := c.n[r].Load(); n > 0 {
			m[Reason(r).String()] = n
		}
	}
	return m
}
