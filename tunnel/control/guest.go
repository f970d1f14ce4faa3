package control

import (
	"context"
	"net/netip"
	"regexp"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// SchemaGuest is what [GuestWelcome] says in its schema field.
const SchemaGuest = "vxmesh.guest/1"

// GuestRequest is the body of POST /v1/guests: a TAP of another process is to be plugged into a segment.
//
// The request is one for an upgrade to [GuestProtocol]. After the answer 101 the client sends one byte
// with the TAP's descriptor (SCM_RIGHTS, unix(7)), and both send lines of JSON from then on: the node a
// [GuestWelcome] or an [Error], and an Error when it ends the guest's stay; the client a [GuestSettled].
// The guest stays for as long as the connection does.
type GuestRequest struct {
	VNI       uint32             `json:"vni"`       // 0 = the only segment
	Name      string             `json:"name"`      // of the port; "" = after the program
	Program   string             `json:"program"`   // what runs there; needed when there is no name
	Auto      bool               `json:"auto"`      // it wants an address of the segment's subnet
	Addresses List[netip.Prefix] `json:"addresses"` // it wants these; none, without Auto: it wants none
}

// GuestProtocol is what a connection of a guest is upgraded to.
const GuestProtocol = "vxmesh-guest"

// GuestWelcome is what a guest has to know of its place.
type GuestWelcome struct {
	Schema  string    `json:"schema"`
	Network string    `json:"network"`
	VNI     uint32    `json:"vni"`
	Name    string    `json:"name"` // of its port
	MAC     ether.MAC `json:"mac"`  // the node has given it to the TAP
	MTU     int       `json:"mtu"`  // of the segment's device
	// Candidates are what it may take, best first: it is to see whether somebody has the addresses of the
	// first, and so on.
	Candidates List[List[netip.Prefix]] `json:"candidates"`
}

// GuestSettled tells the node which addresses a guest took.
type GuestSettled struct {
	Addresses List[netip.Prefix] `json:"addresses"`
}

// A Guest is a device of another process in a segment.
type Guest struct {
	Name      string       `json:"name"`
	MAC       ether.MAC    `json:"mac"`
	Addresses List[string] `json:"addresses"` // with their prefixes; [] until it has settled
	JoinedAt  time.Time    `json:"joined_at"`
}

// A GuestStay is one guest from when it joined until it left.
type GuestStay interface {
	Welcome() GuestWelcome
	Settle(addresses []netip.Prefix)
	// Wait returns when the stay has ended, and says why if the guest did not leave, or when ctx has.
	Wait(ctx context.Context) error
	// Leave ends the stay.
	Leave()
}

// maxGuestAddresses is how many a guest may have.
const maxGuestAddresses = 16

// guestName keeps names apart from addresses, which ports are called by, too.
var guestName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,31}$`)

// Check is as [FDBAdd.Check].
func (r GuestRequest) Check() error {
	name := r.Name
	if name == "" {
		name = r.Program
	}
	switch {
	case !guestName.MatchString(name):
		return Errorf(CodeUsage, "%q is no name for a guest: a letter, and up to 31 letters, digits, dots, dashes", name)
	case r.Auto && len(r.Addresses) > 0:
		return Errorf(CodeUsage, "auto goes with no other address")
	}
	if err := checkGuestAddresses(r.Addresses); err != nil {
		return err
	}
	return checkTags(r.VNI, 0)
}

func checkGuestAddresses(list []netip.Prefix) error {
	if len(list) > maxGuestAddresses {
		return Errorf(CodeUsage, "a guest has %d addresses at most, not %d", maxGuestAddresses, len(list))
	}
	for _, p := range list {
		if a := p.Addr(); !p.IsValid() || a.IsMulticast() || a.IsUnspecified() || a.IsLoopback() || a.Is4In6() {
			return Errorf(CodeUsage, "%s is not the address of a host", p)
		}
	}
	return nil
}
