package netmon

import "strings"

// Kinds are the ways in which an [Event] came about; several may be set.
type Kinds uint8

const (
	// First is set in the first event that a subscriber gets: how things are when it begins.
	First Kinds = 1 << iota
	// AddressChange: an address came or went, an interface lost or found its carrier.
	AddressChange
	// RouteChange: a default route came, went or leads elsewhere.
	RouteChange
	// Resume: the machine slept, or this process stood still. The other end of every path has
	// forgotten us by now, even if nothing changed here.
	Resume
)

// kindNames are in the order of the bits.
var kindNames = []string{"first", "address", "route", "resume"}

// String is for logs: "address+route".
func (k Kinds) String() string {
	var names []string
	for i, name := range kindNames {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, "+")
}

// An Event says that the machine is connected in another way than before.
type Event struct {
	Kinds Kinds
	State State // after the change
}
