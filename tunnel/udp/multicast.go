package udp

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A Membership keeps this machine in a multicast group on one interface, so that every socket bound
// to the right port hears it. It is a socket of its own, because the number of groups per socket is
// limited; leaving is closing it.
type Membership struct{ conn net.PacketConn }

// Join enters group on the interface with the given index (IGMP or MLD by the system).
func Join(group netip.Addr, ifIndex int) (*Membership, error) {
	ifi, err := net.InterfaceByIndex(ifIndex)
	if err != nil {
		return nil, fmt.Errorf("join group %s: %w", group, err)
	}
	network := "udp4"
	if group.Is6() {
		network = "udp6"
	}
	conn, err := net.ListenPacket(network, ":0")
	if err != nil {
		return nil, fmt.Errorf("join group %s: %w", group, err)
	}
	to := &net.UDPAddr{IP: group.AsSlice()}
	if group.Is6() {
		err = ipv6.NewPacketConn(conn).JoinGroup(ifi, to)
	} else {
		err = ipv4.NewPacketConn(conn).JoinGroup(ifi, to)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("join group %s on %s: %w", group, ifi.Name, err)
	}
	return &Membership{conn: conn}, nil
}

// Close leaves the group.
func (m *Membership) Close() error { return m.conn.Close() }
