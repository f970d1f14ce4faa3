package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// toldElsewhere are the warnings of a node that checks of their own tell.
var toldElsewhere = []string{"certificate_expiring", "clock_implausible", "reload_failed", "crashed"}

// checkNode asks the node, and passes on what it warns of.
func checkNode(_ context.Context, p *patient) []finding {
	if p.node == nil {
		if p.nodeErr != nil && reportOf(p.nodeErr).Code != control.CodeNoNode {
			r := reportOf(p.nodeErr)
			if r.Code == control.CodePermission {
				return []finding{warn("sudo vxmesh doctor", "%s: what only a node knows is left out", r.Message)}
			}
			return []finding{fail(strings.Join(r.Fix, "; "), "%s", r.Message)}
		}
		return skip("no node runs: what only a node knows is left out")
	}
	var found []finding
	for _, w := range p.node.Warnings {
		if !slices.Contains(toldElsewhere, w.Code) {
			found = append(found, warn(w.Fix, "%s", w.Message))
		}
	}
	return orOkay(found, "%s runs, pid %d, up %s", p.node.Version, p.node.PID, shortDuration(p.node.UptimeSeconds))
}

// noNode is what a check says that only a node could answer.
func (p *patient) noNode() []finding {
	if p.nodeErr != nil && reportOf(p.nodeErr).Code == control.CodePermission {
		return skip("the node does not answer this user")
	}
	return skip("no node runs")
}

// checkDevice compares the devices with what the config asks for.
func checkDevice(_ context.Context, p *patient) []finding {
	if p.node == nil {
		return p.noNode()
	}
	var found []finding
	var well []string
	for _, s := range p.node.Segments {
		if s.Device.Kind == "none" {
			continue
		}
		bad := deviceFindings(s.Device, p.segment(s.VNI))
		if len(bad) == 0 {
			well = append(well, deviceText(s.Device))
		}
		found = append(found, bad...)
	}
	if len(found) == 0 && len(well) == 0 {
		return skip("this node has no device")
	}
	return orOkay(found, "%s", strings.Join(well, "; "))
}

// segment is what the config says of a segment; nil when nothing.
func (p *patient) segment(vni uint32) *config.Segment {
	if p.cfg == nil {
		return nil
	}
	for i := range p.cfg.Segments {
		if p.cfg.Segments[i].VNI == vni {
			return &p.cfg.Segments[i]
		}
	}
	return nil
}

func deviceText(d control.Device) string {
	text := d.Name + " " + d.State
	if d.Bridge != "" {
		text += ", in " + d.Bridge
	}
	text += fmt.Sprintf(", mtu %d", d.MTU)
	if len(d.Addresses) > 0 {
		text += ", " + strings.Join(d.Addresses, " ")
	}
	return text
}

func deviceFindings(d control.Device, want *config.Segment) (found []finding) {
	if d.State != "up" {
		return []finding{fail("ip link set "+d.Name+" up; see why: vxmesh log --level warn", "%s is %s", d.Name, d.State)}
	}
	if want == nil {
		return nil
	}
	mend := func(format string, args ...any) string { return fmt.Sprintf(format, args...) }
	if d.Kind == string(config.KindUserspace) { // no command of the system's knows it
		mend = func(string, ...any) string { return "vxmesh reload" }
	}
	if b := want.Device.Bridge; b != "" && d.Bridge != b {
		found = append(found, fail(mend("ip link set %s master %s", d.Name, b), "%s is not in bridge %s", d.Name, b))
	}
	if m := int(want.Device.MTU); m != 0 && d.MTU != m {
		found = append(found, warn(mend("ip link set %s mtu %d", d.Name, m),
			"%s has an MTU of %d, and the config says %d", d.Name, d.MTU, m))
	}
	for _, a := range want.Device.Addresses {
		if a.IsValid() && !slices.Contains(d.Addresses, a.String()) {
			found = append(found, fail(mend("ip addr add %s dev %s", a, d.Name), "%s does not have %s", d.Name, a))
		}
	}
	return found
}

// checkMTU looks for ways that carry less than the device. Between nodes frames are cut to fit; on a
// plain leg nothing is, and what is too long is lost.
func checkMTU(_ context.Context, p *patient) []finding {
	if p.node == nil {
		return p.noNode()
	}
	var found []finding
	for _, s := range p.node.Segments {
		for _, v := range s.VTEPs {
			if v.MTU > 0 && v.MTU < s.Device.MTU {
				found = append(found, warn(fmt.Sprintf("mtu = %d in [segments.device], then: vxmesh reload", v.MTU),
					"the way to %s carries %d, and %s has %d: larger frames are lost", v.Remote, v.MTU, s.Device.Name, s.Device.MTU))
			}
		}
	}
	return orOkay(found, "nothing carries less than its device where that hurts")
}

// checkUDP looks whether the node has its ports, and whether datagrams get out.
func checkUDP(ctx context.Context, p *patient) []finding {
	if p.cfg == nil {
		return skip("without a config there is no port to look at")
	}
	found := p.portFindings(ctx)
	n, err := p.connection(ctx)
	if err == nil && n.UDP == control.No {
		found = append(found, fail("let UDP out, to any port", "no UDP gets out: %s", blockedText(*n)))
	}
	if p.node != nil {
		found = append(found, p.lostFindings(ctx)...)
	}
	return orOkay(found, "%s%s", p.portText(), p.bufferText())
}

// portFindings says who has a port that the node needs.
func (p *patient) portFindings(ctx context.Context) (found []finding) {
	for _, port := range p.ports() {
		if p.node != nil {
			ends := func(l string) bool { return strings.HasSuffix(l, ":"+strconv.Itoa(int(port))) }
			if !slices.ContainsFunc(p.node.Listen, ends) {
				found = append(found, warn("see vxmesh status, which port it took instead; vxmesh log --level warn says why",
					"the node does not listen on port %d", port))
			}
			continue
		}
		for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
			if err := p.sys.bind(ctx, netip.AddrPortFrom(any, port)); errors.Is(err, syscall.EADDRINUSE) {
				found = append(found, fail("stop that, or take another port: mesh or vxlan in [listen]",
					"UDP port %d is taken%s", port, p.holder(ctx, port)))
				break
			}
		}
	}
	return found
}

// holder says who has a port, as far as it is to be found out.
func (p *patient) holder(ctx context.Context, port uint16) string {
	out, err := p.sys.run(ctx, "ss", "-Hlunp", "sport", "=", fmt.Sprintf(":%d", port))
	if err != nil {
		return ""
	}
	_, users, ok := strings.Cut(string(out), `users:(("`)
	if !ok {
		return ""
	}
	name, rest, _ := strings.Cut(users, `"`)
	_, pid, _ := strings.Cut(rest, "pid=")
	pid, _, _ = strings.Cut(pid, ",")
	return fmt.Sprintf(" by %s (pid %s)", name, pid)
}

// lostFindings tells of datagrams that the kernel dropped for want of room.
func (p *patient) lostFindings(ctx context.Context) (found []finding) {
	s, err := p.client.Stats(ctx)
	if err != nil {
		return nil
	}
	for _, k := range s.Sockets {
		if lossTells*k.RxDrops > k.RxDatagrams {
			found = append(found, warn("sysctl -w net.core.rmem_max="+strconv.Itoa(wantedBuffer)+"; or this machine is too slow",
				"the kernel lost %d of %d datagrams on %s: the receive buffer was full", k.RxDrops, k.RxDatagrams, k.Listen))
		}
	}
	return found
}

// lossTells: one in so many that is lost is too much.
const lossTells = 1000

func (p *patient) portText() string {
	var ports []string
	for _, port := range p.ports() {
		ports = append(ports, fmt.Sprintf(":%d", port))
	}
	switch {
	case len(ports) == 0:
		return "the node has no key yet, and so no port"
	case p.node != nil:
		return strings.Join(ports, ", ") + " bound"
	}
	return strings.Join(ports, ", ") + " free"
}

// checkNAT says what the way out does.
func checkNAT(ctx context.Context, p *patient) []finding {
	if p.cfg == nil && p.node == nil {
		return skip("without a config nobody is known who could be asked")
	}
	n, err := p.connection(ctx)
	if err != nil {
		return skip("not tested: %v", err)
	}
	var known []string
	for _, f := range []struct {
		name string
		control.NetFamily
	}{{"IPv4", n.IPv4}, {"IPv6", n.IPv6}} {
		if f.UDP == control.Yes && f.Class != control.ClassUnknown {
			known = append(known, f.name+" "+natText(f.NetFamily)+strangersText(f.NetFamily))
		}
	}
	if len(known) == 0 {
		return skip("not known: nobody could be asked")
	}
	text := strings.Join(known, "; ")
	if n.PortMapping.Mapped != "" {
		text += "; " + n.PortMapping.Protocol + " mapped"
	}
	if hard(n.IPv4) && (n.IPv6.UDP != control.Yes || hard(n.IPv6)) && n.PortMapping.Mapped == "" {
		return []finding{warn("turn on UPnP, NAT-PMP or PCP at the router, or forward the node's UDP port; or IPv6", "%s", text)}
	}
	return okay("%s", text)
}

func hard(f control.NetFamily) bool { return f.Class == control.ClassHard }

// checkSTUN asks the config's servers, all at once.
func checkSTUN(ctx context.Context, p *patient) []finding {
	if p.cfg == nil {
		return skip("without a config no server is known")
	}
	if len(p.cfg.Discovery.STUN) == 0 {
		return skip("the config names no server")
	}
	servers := p.cfg.Discovery.STUN
	errs := make([]error, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() { errs[i] = p.sys.askSTUN(ctx, string(s)) })
	}
	all.Wait()
	answered := 0
	var why []string
	for i, err := range errs {
		if err == nil {
			answered++
		} else {
			why = append(why, fmt.Sprintf("%s: %s", servers[i], serverReason(err)))
		}
	}
	text := fmt.Sprintf("%d of %d answer", answered, len(servers))
	if answered > 0 {
		return okay("%s", text)
	}
	return []finding{warn("name others in [discovery] stun, or let UDP out; nodes that reach a peer need none",
		"%s (%s)", text, strings.Join(why, "; "))}
}

// serverReason is why a server does not answer, without the addresses that Go puts before it.
func serverReason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		causes := strings.Split(dns.Err, ": ")
		return "its name is not resolved: " + causes[len(causes)-1]
	}
	return reason(err)
}

// checkPeers says of every peer that is down why, and what would help.
func checkPeers(ctx context.Context, p *patient) []finding {
	if p.node == nil {
		return p.noNode()
	}
	if len(p.node.Peers) == 0 {
		return skip("there are none")
	}
	var found []finding
	relayed := 0
	for _, peer := range p.node.Peers {
		if peer.State.Relayed() {
			relayed++
		}
		if peer.State != control.PeerDown {
			continue
		}
		f := warn("vxmesh why "+peer.Name, "%s is down: %s", peer.Name, peer.Reason)
		if w, err := p.client.Why(ctx, peer.Name); err == nil {
			f.message = strings.TrimSuffix(w.Summary, ".")
			if len(w.Fixes) > 0 {
				f.fix = w.Fixes[0] + " (vxmesh why " + peer.Name + ")"
			}
		}
		found = append(found, f)
	}
	text := fmt.Sprintf("%d of %d reached", len(p.node.Peers), len(p.node.Peers))
	if relayed > 0 {
		text += fmt.Sprintf(", %d of them relayed", relayed)
	}
	return orOkay(found, "%s", text)
}
