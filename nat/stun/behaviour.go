package stun

import (
	"net/netip"
	"slices"
)

// Mapping says how a NAT chooses the outside address and port of a socket (RFC 4787, 4.1).
type Mapping uint8

// What is found about mapping.
const (
	MappingUnknown     Mapping = iota // too few servers answered, or only some that are too near
	MappingNone                       // there is no NAT
	MappingIndependent                // the same whomever we send to
	MappingVaries                     // another one for another destination
)

// maxStep is the largest difference of ports that is taken for a step. Ports at random are that near to
// each other once in two thousand times.
const maxStep = 16

// A Behaviour is what servers' answers say about the NAT before one socket.
type Behaviour struct {
	Mapping  Mapping
	PortKept bool // the outside port is always that of the socket
	// Step is how far the outside port moves from one destination to the next, if the mapping varies
	// and it moves by little, at most 16 in one direction; else 0.
	Step   int
	Mapped []netip.AddrPort // outside addresses, each once, in the order of the results
}

// Classify tells what a NAT does from the addresses of a socket, with its port, and what servers saw.
// All are of one address family. Results are in the order in which the servers were asked. Step needs
// servers that the socket has not sent to within the minutes that a NAT remembers.
func Classify(local []netip.AddrPort, results []Result) Behaviour {
	results = outermost(local, results)
	var b Behaviour
	for _, r := range results {
		if m := plain(r.Mapped); !slices.Contains(b.Mapped, m) {
			b.Mapped = append(b.Mapped, m)
		}
	}
	b.PortKept = len(results) > 0 && !slices.ContainsFunc(b.Mapped, func(m netip.AddrPort) bool {
		return !slices.ContainsFunc(local, func(l netip.AddrPort) bool { return l.Port() == m.Port() })
	})
	b.Mapping = mapping(local, b.Mapped, results)
	b.Step = step(results)
	return b
}

// outermost leaves out the servers on this side of a NAT, if there are others: a neighbour in the LAN
// sees the socket's own address, and one between two NATs an address of that network. Neither differs
// from what the others see because of a destination.
func outermost(local []netip.AddrPort, results []Result) []Result {
	for _, inside := range []func(Result) bool{
		func(r Result) bool { return isLocal(local, r.Mapped) },
		func(r Result) bool { return private(r.Server.Addr()) },
	} {
		outside := slices.DeleteFunc(slices.Clone(results), inside)
		if len(outside) > 0 {
			results = outside
		}
	}
	return results
}

func isLocal(local []netip.AddrPort, a netip.AddrPort) bool {
	return slices.ContainsFunc(local, func(l netip.AddrPort) bool { return plain(l) == plain(a) })
}

// carrier is what providers number their customers with behind a NAT of their own (RFC 6598).
var carrier = netip.MustParsePrefix("100.64.0.0/10")

func private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback() || carrier.Contains(a)
}

func mapping(local, mapped []netip.AddrPort, results []Result) Mapping {
	switch {
	case len(mapped) > 1:
		return MappingVaries
	case len(mapped) == 1 && isLocal(local, mapped[0]):
		if private(mapped[0].Addr()) {
			return MappingUnknown // only neighbours have answered; a NAT may be behind them
		}
		return MappingNone
	}
	// A NAT that goes by the address alone looks independent to two ports of one server.
	for _, r := range results {
		if plain(r.Server).Addr() != plain(results[0].Server).Addr() {
			return MappingIndependent
		}
	}
	return MappingUnknown
}

// step is the greatest common divisor of the differences, because other sockets behind the NAT take
// ports in between. It is 0 if the port stays once, goes to and fro, or moves by more than maxStep, and
// if the address moves.
func step(results []Result) int {
	s := 0
	for i := 1; i < len(results); i++ {
		before, after := results[i-1].Mapped, results[i].Mapped
		d := int(after.Port()) - int(before.Port())
		if plain(after).Addr() != plain(before).Addr() || d == 0 || max(d, -d) > maxStep || d*s < 0 {
			return 0
		}
		for ; d != 0; s, d = d, s%d {
		}
	}
	return s
}
