package portmap

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// errSilent is what a router ends in that speaks neither PCP nor NAT-PMP.
var errSilent = errors.New("the router answers neither PCP nor NAT-PMP")

// A grant is what a router promised.
type grant struct {
	protocol string
	external netip.AddrPort
	lifetime time.Duration
	isFixed  bool   // there until it is deleted
	epoch    uint32 // of the answer; not by UPnP
	igd      *igd   // UPnP only
}

// asking is the talk that gets a mapping by PCP or NAT-PMP. Both are asked from the beginning, but
// NAT-PMP only for the outer address, which it needs anyhow: a mapping of its own waits until PCP
// has been refused or was silent for a turn, or a router that speaks both would make two.
type asking struct {
	server  netip.AddrPort
	request pcpRequest

	pcpOver bool
	pmpOver bool
	address netip.Addr // what NAT-PMP said; not valid yet at first
	mapped  bool       // NAT-PMP has been asked for a mapping
	granted grant
	refusal error
}

func (a *asking) due() []datagram {
	var out []datagram
	if !a.pcpOver {
		out = append(out, datagram{a.server, a.request.append(nil)})
	}
	switch {
	case a.pmpOver:
	case a.address.IsValid():
		a.mapped = true
		r := a.request
		out = append(out, datagram{a.server, appendPMPMap(nil, r.internal, r.external, r.lifetime)})
	default:
		out = append(out, datagram{a.server, appendPMPAddress(nil)})
	}
	return out
}

func (a *asking) take(b []byte, from netip.AddrPort) verdict {
	if from != a.server {
		return goOn
	}
	if answer, ok := parsePCP(b); ok {
		return a.takePCP(answer)
	}
	if answer, ok := parsePMP(b); ok {
		return a.takePMP(answer)
	}
	return goOn
}

func (a *asking) takePCP(answer pcpAnswer) verdict {
	m := answer.mapping
	switch {
	case answer.op == opAnnounce && answer.result == resultVersion:
		return a.refusePMP(nil) // to NAT-PMP's question, which looks like it
	case answer.op != opMap:
		return goOn
	case answer.result == resultVersion: // it may not have understood enough to repeat the nonce
		return a.refusePCP(nil)
	case m.nonce != a.request.nonce || m.protocol != udpNumber || m.internal != a.request.internal:
		return goOn
	case answer.result != 0:
		return a.refusePCP(fmt.Errorf("PCP: the router refuses with result %d", answer.result))
	case answer.lifetime == 0 || !canBeOuter(m.external):
		return goOn
	}
	a.granted = grant{
		protocol: "pcp", external: m.external, lifetime: seconds(answer.lifetime), epoch: answer.epoch,
	}
	return done
}

func (a *asking) takePMP(answer pmpAnswer) verdict {
	switch {
	case answer.result == resultVersion && answer.op == opMap:
		return a.refusePCP(nil) // RFC 6886, 3.5: a router that speaks NAT-PMP only
	case answer.result == resultVersion:
		return a.refusePMP(nil)
	case answer.result != 0:
		return a.refusePMP(fmt.Errorf("NAT-PMP: the router refuses with result %d", answer.result))
	case answer.op == pmpAddress && !a.address.IsValid():
		return a.takeAddress(answer.address)
	case answer.op != pmpMapUDP || !a.mapped || answer.internal != a.request.internal:
		return goOn
	}
	external := netip.AddrPortFrom(a.address, answer.external)
	if answer.lifetime == 0 || !canBeOuter(external) {
		return goOn
	}
	a.granted = grant{
		protocol: "nat-pmp", external: external, lifetime: seconds(answer.lifetime), epoch: answer.epoch,
	}
	return done
}

func (a *asking) takeAddress(address netip.Addr) verdict {
	if !canBeOuter(netip.AddrPortFrom(address, 1)) {
		return a.refusePMP(errors.New("NAT-PMP: the router has no outer address"))
	}
	a.address = address
	if a.pcpOver {
		return again
	}
	return goOn
}

func (a *asking) refusePCP(why error) verdict {
	if a.pcpOver {
		return goOn // the answer to a repetition
	}
	a.pcpOver, a.refusal = true, errors.Join(a.refusal, why)
	switch {
	case a.pmpOver:
		return done
	case a.address.IsValid():
		return again
	}
	return goOn
}

func (a *asking) refusePMP(why error) verdict {
	if a.pmpOver {
		return goOn
	}
	a.pmpOver, a.refusal = true, errors.Join(a.refusal, why)
	if a.pcpOver {
		return done
	}
	return goOn
}

// canBeOuter leaves out what no datagram could be sent to. A private address stays: behind a second
// router the mapping serves those who are between the two.
func canBeOuter(a netip.AddrPort) bool {
	ip := a.Addr()
	return a.Port() != 0 && ip.Is4() && !ip.IsUnspecified() && !ip.IsLoopback() && !ip.IsMulticast() &&
		ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// deleting is the talk that takes a mapping back.
type deleting struct {
	server   netip.AddrPort
	request  pcpRequest // with no lifetime
	protocol string
}

func (d *deleting) due() []datagram {
	if d.protocol == "pcp" {
		return []datagram{{d.server, d.request.append(nil)}}
	}
	return []datagram{{d.server, appendPMPMap(nil, d.request.internal, 0, 0)}}
}

func (d *deleting) take(b []byte, from netip.AddrPort) verdict {
	if from != d.server {
		return goOn
	}
	if a, ok := parsePCP(b); ok && d.protocol == "pcp" && a.op == opMap &&
		a.mapping.nonce == d.request.nonce {
		return done
	}
	if a, ok := parsePMP(b); ok && d.protocol != "pcp" && a.op == pmpMapUDP {
		return done
	}
	return goOn
}

// watching is the talk that asks whether the router still knows what it promised.
type watching struct {
	server   netip.AddrPort
	client   netip.Addr
	protocol string
	outer    netip.Addr // NAT-PMP: where the mapping is
	epoch    *epoch
	now      func() time.Time

	lost bool
}

func (w *watching) due() []datagram {
	if w.protocol == "pcp" {
		return []datagram{{w.server, pcpRequest{op: opAnnounce, client: w.client}.append(nil)}}
	}
	return []datagram{{w.server, appendPMPAddress(nil)}}
}

func (w *watching) take(b []byte, from netip.AddrPort) verdict {
	if from != w.server {
		return goOn
	}
	if a, ok := parsePCP(b); ok && w.protocol == "pcp" && a.op == opAnnounce {
		w.lost = w.epoch.pcp(a.epoch, w.now())
		return done
	}
	if a, ok := parsePMP(b); ok && w.protocol != "pcp" && a.op == pmpAddress {
		w.lost = w.epoch.pmp(a.epoch, w.now()) || a.result == 0 && a.address != w.outer
		return done
	}
	return goOn
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
