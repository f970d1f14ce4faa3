package userspace

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

const (
	// defaultName is the name of a device that was given none.
	defaultName = "userspace"

	// nic is the stack's only interface.
	nic tcpip.NICID = 1
)

// A Device is a [tundev.Device] with a network stack of its own.
type Device struct {
	*tundev.Host
	stack *ipStack
}

// Open makes a device of o, whatever its Kind says. It is up from the start to the end, so o.OnChange is
// never called.
func Open(o tundev.Options) (*Device, error) {
	o.Kind = tundev.Userspace
	if o.Name == "" {
		o.Name = defaultName
	}
	s, err := newStack()
	if err != nil {
		return nil, &tundev.Error{Op: "create userspace device", Name: o.Name, Err: err}
	}
	h, err := tundev.OpenHost(o, s, tundev.Offloads{Csum: true, TSO: true})
	if err != nil {
		return nil, err
	}
	return &Device{h, s}, nil
}

// Drops says by reason how many packets and frames went no further between the stack and the segment.
func (d *Device) Drops() map[string]uint64 {
	m := d.Host.Drops()
	for reason, n := range d.stack.drops() {
		m[reason] += n
	}
	return m
}

// An ipStack is gVisor's stack with one interface, as a [tundev.Stack].
type ipStack struct {
	*stack.Stack
	link *link

	v4, v6 stack.NetworkEndpoint // of the interface

	mu    sync.Mutex // Configure, and what it has made
	addrs []netip.Prefix
}

func newStack() (*ipStack, error) {
	log.SetLevel(log.Warning) // gVisor's own, which would tell about single packets
	s := &ipStack{link: newLink(), Stack: stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocolWithOptions(ipv4.Options{IGMP: ipv4.IGMPOptions{Enabled: true}}),
			// No router is believed and no address tried: the latter is what a Host does.
			ipv6.NewProtocolWithOptions(ipv6.Options{MLD: ipv6.MLDOptions{Enabled: true}}),
		},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
		HandleLocal: true,
	})}
	if err := s.start(); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("start the stack: %s", err)
	}
	return s, nil
}

func (s *ipStack) start() (err tcpip.Error) {
	sack := tcpip.TCPSACKEnabled(true) // RFC 2018
	if err = s.SetTransportProtocolOption(tcp.ProtocolNumber, &sack); err != nil {
		return err
	}
	if err = s.CreateNIC(nic, s.link); err != nil {
		return err
	}
	if s.v4, err = s.GetNetworkEndpoint(nic, ipv4.ProtocolNumber); err != nil {
		return err
	}
	s.v6, err = s.GetNetworkEndpoint(nic, ipv6.ProtocolNumber)
	return err
}

// Configure implements [tundev.Stack]. Connections of addresses that stay do not notice.
func (s *ipStack) Configure(o tundev.Options) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.SetNICMTU(nic, uint32(o.MTU)); err != nil {
		return fmt.Errorf("set its mtu to %d: %s", o.MTU, err)
	}
	for _, p := range slices.Clone(s.addrs) {
		if !slices.Contains(o.Addresses, p) {
			if err := s.remove(p); err != nil {
				return fmt.Errorf("take %s from it: %s", p, err)
			}
		}
	}
	for _, p := range o.Addresses {
		if !slices.Contains(s.addrs, p) {
			if err := s.add(p); err != nil {
				return fmt.Errorf("give it %s: %s", p, err)
			}
		}
	}
	s.SetRouteTable(routes(s.addrs))
	return nil
}

func (s *ipStack) add(p netip.Prefix) tcpip.Error {
	a := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{
		Address: address(p.Addr()), PrefixLen: p.Bits(),
	}}
	if p.Addr().Is6() {
		a.Protocol = ipv6.ProtocolNumber
	}
	err := s.AddProtocolAddress(nic, a, stack.AddressProperties{})
	if err == nil {
		s.addrs = append(s.addrs, p)
	}
	return err
}

func (s *ipStack) remove(p netip.Prefix) tcpip.Error {
	err := s.RemoveAddress(nic, address(p.Addr()))
	if err == nil {
		s.addrs = slices.DeleteFunc(s.addrs, func(q netip.Prefix) bool { return q == p })
	}
	return err
}

// routes lead to the networks of the addresses, and to groups and everybody.
func routes(addrs []netip.Prefix) (table []tcpip.Route) {
	for _, p := range append(slices.Clone(addrs), groups...) {
		to := tcpip.AddressWithPrefix{Address: address(p.Addr()), PrefixLen: p.Bits()}
		table = append(table, tcpip.Route{Destination: to.Subnet(), NIC: nic})
	}
	return table
}

// groups are the destinations that are on every network.
var groups = []netip.Prefix{
	netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("ff00::/8"),
}

func address(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

// WritePacket implements [tundev.Stack].
func (s *ipStack) WritePacket(h offload.Header, parts [][]byte, skip int) error {
	p := inbound(h, parts, skip)
	if p == nil {
		s.link.malformed.Add(1)
		return nil
	}
	defer p.DecRef()
	if s.link.isClosed() {
		return tundev.ErrClosed
	}
	if p.NetworkProtocolNumber == ipv6.ProtocolNumber {
		s.v6.HandlePacket(p)
	} else {
		s.v4.HandlePacket(p)
	}
	return nil
}

// ReadPacket implements [tundev.Stack].
func (s *ipStack) ReadPacket(buf []byte, wake <-chan struct{}) (int, offload.Header, error) {
	return s.link.read(buf, wake)
}

// Close implements [tundev.Stack]. It waits for the stack's goroutines.
func (s *ipStack) Close() error {
	s.link.Close()
	s.Destroy()
	return nil
}

// drops gives the counts that are not zero, by the reason's name in JSON and metrics.
func (s *ipStack) drops() map[string]uint64 {
	m := make(map[string]uint64)
	st := s.Stats()
	for reason, n := range map[string]uint64{
		"stack_queue_full": s.link.full.Load(),
		"malformed":        s.link.malformed.Load() + st.IP.MalformedPacketsReceived.Value(),
		"bad_source":       st.IP.InvalidSourceAddressesReceived.Value(),
		"bad_checksum":     st.TCP.ChecksumErrors.Value() + st.UDP.ChecksumErrors.Value(),
	} {
		if n > 0 {
			m[reason] = n
		}
	}
	return m
}
