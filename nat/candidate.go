package nat

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"time"
)

// A Kind says where a candidate is known from. The greater is tried first.
type Kind uint8

// The kinds of candidates. They are sent to others as these numbers.
const (
	KindRelay     Kind = 10  // another node passes it on
	KindPredicted Kind = 60  // the next port of a NAT that counts
	KindHost      Kind = 70  // an address of one of its interfaces that is not public
	KindSeen      Kind = 75  // a datagram of its came from there
	KindForwarded Kind = 78  // the address others see, with the port it listens on: somebody may have forwarded it
	KindReflexive Kind = 80  // where others see it
	KindMapped    Kind = 85  // a router opened it (PCP, NAT-PMP, UPnP)
	KindStatic    Kind = 90  // from the config
	KindPublic4   Kind = 95  // a public IPv4 address of one of its interfaces
	KindHost6     Kind = 100 // a global IPv6 address
	KindLAN       Kind = 110 // it said hello on this network, or the address is in a prefix of ours
)

var kindNames = map[Kind]string{
	KindRelay: "relay", KindPredicted: "predicted", KindHost: "host", KindSeen: "learned",
	KindForwarded: "forwarded", KindReflexive: "reflexive", KindMapped: "mapped", KindStatic: "static",
	KindPublic4: "public", KindHost6: "ipv6", KindLAN: "lan",
}

// String is a word for the kind.
func (k Kind) String() string { return kindNames[k] }

// Valid reports whether there is such a kind, and it is one that a node may claim for an address of
// its own.
func (k Kind) Valid() bool { return kindNames[k] != "" && k > KindPredicted && k != KindSeen }

// A Tag is how a node is called in few bytes: the first of its public key. Zero is none.
type Tag [8]byte

// String is the tag in hexadecimal.
func (t Tag) String() string { return hex.EncodeToString(t[:]) }

// A Way leads to a peer: to an address, from one of our sockets, or through a relay.
type Way struct {
	Socket uint8 // its number
	Addr   netip.AddrPort
	Relay  Tag // of the node that passes on what is for the peer; then there is no address
}

// Direct reports whether the way leads to an address.
func (w Way) Direct() bool { return w.Relay == Tag{} }

// String is the address, or the relay's tag.
func (w Way) String() string {
	if w.Direct() {
		return w.Addr.String()
	}
	return "relay " + w.Relay.String()
}

// A Candidate is a way that may lead to a peer.
type Candidate struct {
	Way
	Kind Kind
}

// How many candidates of a peer are kept, the best of them, and how many of its relays.
const (
	MaxCandidates = 24
	MaxRelays     = 3
)

// KindOf is the kind of an address of an interface. local are the prefixes of our own interfaces, whose
// hosts we reach without a router.
func KindOf(a netip.Addr, local []netip.Prefix) Kind {
	a = a.Unmap()
	for _, p := range local {
		if p.Contains(a) {
			return KindLAN
		}
	}
	switch {
	case a.Is6() && a.IsGlobalUnicast() && !a.IsPrivate():
		return KindHost6
	case public4(a):
		return KindPublic4
	}
	return KindHost
}

// shared is the address space between a carrier and its customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func public4(a netip.Addr) bool { return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a) }

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	reserved4   = netip.MustParsePrefix("240.0.0.0/4")
)

// Usable reports whether an address that somebody tells may be one of a peer at all.
func Usable(a netip.AddrPort) bool {
	ip := a.Addr().Unmap()
	return ip.IsValid() && a.Port() != 0 && !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLoopback() &&
		!ip.IsLinkLocalUnicast() && !thisNetwork.Contains(ip) && !reserved4.Contains(ip)
}

// A Source says who named candidates. What one says replaces what it said before.
type Source uint8

// The sources of candidates.
const (
	FromConfig Source = iota // and what the peer had signed of itself
	FromCall                 // what it said to us, last
	FromLAN
	FromRelays
	fromTraffic
)

// maxStep is by how much a NAT that counts its ports goes on at most.
const maxStep = 16

// predictedPorts is how many ports ahead are tried of a NAT that counts, when ours does not.
const predictedPorts = 8

// Predict adds the ports that the NAT of a peer may give it next, when each of its destinations gets one
// that is step further. exact is for when our own NAT counts too: then anything that is sent elsewhere moves
// it on, and only the very next port is left, beside what is on our own network.
func Predict(list []Candidate, step int, exact bool) []Candidate {
	if step == 0 || step < -maxStep || step > maxStep {
		return list
	}
	n, kept := predictedPorts, slices.Clone(list)
	if exact {
		n = 1
		kept = slices.DeleteFunc(kept, func(c Candidate) bool { return c.Kind != KindLAN })
	}
	for _, c := range list {
		for i := 1; i <= n && c.Kind == KindReflexive; i++ {
			if port := int(c.Addr.Port()) + i*step; port > 0 && port < 1<<16 {
				next := c
				next.Kind, next.Addr = KindPredicted, netip.AddrPortFrom(c.Addr.Addr(), uint16(port))
				kept = append(kept, next)
			}
		}
	}
	return kept
}

// never is later than anything.
const never = time.Duration(1<<63 - 1)
