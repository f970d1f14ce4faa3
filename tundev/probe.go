package tundev

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

const (
	// probes is how often it is asked whether somebody has an address, and probeEvery how far apart;
	// RFC 5227, 2.1.1, has three, a second or two apart, for LANs of its day.
	probes     = 3
	probeEvery = 250 * time.Millisecond
)

const (
	etherTypeARP  = 0x0806
	etherTypeIPv6 = 0x86dd

	arpRequest = 1
	arpReply   = 2
	arpLen     = 28

	icmp6          = 58
	neighbourAsk   = 135
	neighbourTell  = 136
	neighbourLen   = 24
	neighbourAbove = 14 + 40 // Ethernet and IPv6 headers
)

// probeFrame asks who has an address, without saying that we do: an ARP probe (RFC 5227, 1.1), or a
// neighbour solicitation as for duplicate address detection (RFC 4862, 5.4.2).
func probeFrame(own ether.MAC, a netip.Addr) []byte {
	if a.Is4() {
		f := make([]byte, 14+arpLen)
		copy(f, ether.Broadcast[:])
		copy(f[6:], own[:])
		binary.BigEndian.PutUint16(f[12:], etherTypeARP)
		copy(f[14:], []byte{0, 1, 8, 0, 6, 4, 0, arpRequest})
		copy(f[22:], own[:])
		target := a.As4()
		copy(f[38:], target[:])
		return f
	}
	target := a.As16()
	f := make([]byte, neighbourAbove+neighbourLen)
	copy(f, []byte{0x33, 0x33, 0xff, target[13], target[14], target[15]}) // RFC 2464, 7
	copy(f[6:], own[:])
	binary.BigEndian.PutUint16(f[12:], etherTypeIPv6)
	ip := f[14:]
	ip[0] = 0x60
	binary.BigEndian.PutUint16(ip[4:], neighbourLen)
	ip[6], ip[7] = icmp6, 255
	group := [16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: target[13], 14: target[14], 15: target[15]}
	copy(ip[24:], group[:]) // from nobody, to the solicited-node group (RFC 4291, 2.7.1)
	m := ip[40:]
	m[0] = neighbourAsk
	copy(m[8:], target[:])
	pseudo := append(append([]byte{}, ip[8:40]...), 0, 0, 0, neighbourLen, 0, 0, 0, icmp6)
	binary.BigEndian.PutUint16(m[2:], ^ether.AddSum(ether.Sum(pseudo), ether.Sum(m)))
	return f
}

// holder gives the station that a frame says has an address; zero when it says nothing of it. One
// that probes for the address as well is about to take it.
func holder(f []byte, own ether.MAC, a netip.Addr) ether.MAC {
	if len(f) < 14 || ether.MAC(f[6:12]) == own {
		return ether.MAC{}
	}
	from := ether.MAC(f[6:12])
	switch kind := binary.BigEndian.Uint16(f[12:]); {
	case kind == etherTypeARP && a.Is4() && len(f) >= 14+arpLen:
		sender, target := netip.AddrFrom4([4]byte(f[28:])), netip.AddrFrom4([4]byte(f[38:]))
		asks := binary.BigEndian.Uint16(f[20:]) == arpRequest
		if sender == a || asks && sender.IsUnspecified() && target == a {
			return from
		}
	case kind == etherTypeIPv6 && a.Is6() && len(f) >= neighbourAbove+neighbourLen && f[20] == icmp6:
		m := f[neighbourAbove:]
		asks := m[0] == neighbourAsk && netip.AddrFrom16([16]byte(f[22:])).IsUnspecified()
		if (m[0] == neighbourTell || asks) && netip.AddrFrom16([16]byte(m[8:])) == a {
			return from
		}
	}
	return ether.MAC{}
}

// An asker asks who has an address, for devices that all frames of the segment go through. The zero asker is
// ready.
type asker struct {
	count atomic.Int32 // of watchers

	mu       sync.Mutex
	watchers map[netip.Addr]chan ether.MAC
}

// probe sends questions from own, and waits for the first answer that show sees; zero when there is none.
func (p *asker) probe(
	ctx context.Context, own ether.MAC, a netip.Addr, send func(question []byte),
) (ether.MAC, error) {
	found := make(chan ether.MAC, 1)
	p.watch(a, found)
	defer p.watch(a, nil)
	for range probes {
		send(probeFrame(own, a))
		select {
		case mac := <-found:
			return mac, nil
		case <-ctx.Done():
			return ether.MAC{}, ctx.Err()
		case <-time.After(probeEvery):
		}
	}
	return ether.MAC{}, nil
}

// watch has answers about an address told to found; nil ends that.
func (p *asker) watch(a netip.Addr, found chan ether.MAC) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watchers == nil {
		p.watchers = make(map[netip.Addr]chan ether.MAC)
	}
	p.watchers[a] = found
	if found == nil {
		delete(p.watchers, a)
	}
	p.count.Store(int32(len(p.watchers)))
}

// show lets who probes see a frame from the segment.
func (p *asker) show(own ether.MAC, frame []byte) {
	if p.count.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for a, found := range p.watchers {
		if mac := holder(frame, own, a); !mac.IsZero() {
			select {
			case found <- mac:
			default:
			}
		}
	}
}
