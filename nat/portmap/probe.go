package portmap

import (
	"context"
	"net/netip"
	"time"
)

// Limits of [Mapper.Probe]: of the talk, and of all.
const (
	probePatience = 1500 * time.Millisecond
	probeLimit    = 2500 * time.Millisecond
)

// Support says what the router speaks.
type Support struct {
	PCP, NATPMP, UPnP bool
	External          netip.Addr // its outer address, when it told; it may be private
}

// Probe asks the router what it speaks, for at most 2.5 seconds, and maps nothing. It may be called
// at any time, also while [Mapper.Run] does not run.
func (m *Mapper) Probe(ctx context.Context) Support {
	gateway, local, ok := m.gateway()
	if !ok {
		return Support{}
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	p := &probing{
		server: netip.AddrPortFrom(gateway, serverPort), client: local,
		search: searching{gateway: gateway}, noUPnP: m.opts.NoUPnP,
	}
	_ = m.converse(ctx, local, probePatience, p) // what was heard until then stands
	if p.search.location != nil {
		if g, err := openIGD(ctx, m.web(gateway, local), p.search.location); err == nil {
			p.found.UPnP = true
			if !p.found.External.IsValid() {
				p.found.External = g.outer
			}
		}
	}
	return p.found
}

// probing is the talk of [Mapper.Probe].
type probing struct {
	server netip.AddrPort
	client netip.Addr
	search searching
	noUPnP bool
	found  Support
}

func (p *probing) due() []datagram {
	var out []datagram
	if !p.found.PCP {
		out = append(out, datagram{p.server, pcpRequest{op: opAnnounce, client: p.client}.append(nil)})
	}
	if !p.found.NATPMP {
		out = append(out, datagram{p.server, appendPMPAddress(nil)})
	}
	if p.search.location == nil && !p.noUPnP {
		out = append(out, p.search.due()...)
	}
	return out
}

func (p *probing) take(b []byte, from netip.AddrPort) verdict {
	if from != p.server {
		if p.search.location == nil && !p.noUPnP {
			p.search.take(b, from)
		}
	} else if a, ok := parsePCP(b); ok {
		p.found.PCP = p.found.PCP || a.op == opAnnounce && a.result != resultVersion
	} else if a, ok := parsePMP(b); ok && a.op == pmpAddress && a.result != resultVersion {
		p.found.NATPMP = true
		if canBeOuter(netip.AddrPortFrom(a.address, 1)) {
			p.found.External = a.address
		}
	}
	if p.found.PCP && p.found.NATPMP && (p.noUPnP || p.search.location != nil) {
		return done
	}
	return goOn
}
