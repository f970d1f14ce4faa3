package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/config"
)

// clockSlack is how far a clock may be off before anybody is told.
const clockSlack = 5 * time.Minute

const setClock = "set the clock: timedatectl set-ntp true"

// checkClock compares the time of day with everything that has to lie before it. It asks nobody.
func checkClock(_ context.Context, p *patient) []finding {
	now := p.sys.now()
	said := now.UTC().Format(time.RFC3339)
	if p.node != nil {
		for _, w := range p.node.Warnings {
			if w.Code == "clock_implausible" {
				return []finding{fail(setClock, "%s", w.Message)}
			}
		}
	}
	for _, before := range p.before() {
		if now.Add(clockSlack).Before(before.at) {
			return []finding{fail(setClock, "the clock says %s, but %s on %s",
				said, before.what, before.at.UTC().Format(time.RFC3339))}
		}
	}
	if p.home != nil {
		if err := p.home.roster().Clock(now); err != nil {
			return []finding{fail(setClock, "%v", err)}
		}
	}
	return okay("%s is plausible", said)
}

// A moment lies in the past, if the clock is right.
type moment struct {
	what string
	at   time.Time
}

// before are the moments that are known here.
func (p *patient) before() (all []moment) {
	all = append(all, moment{"this program was built", buildTime()})
	for _, m := range p.members {
		all = append(all, moment{"the certificate of " + m.Name + " was signed", m.NotBefore})
	}
	if p.cfg == nil {
		return all
	}
	for _, path := range append(p.keyFiles(), p.path) {
		if info, err := p.sys.stat(path); err == nil {
			all = append(all, moment{path + " was written", info.ModTime()})
		}
	}
	return all
}

// expiryWarning is how long before its end a certificate is told of.
const expiryWarning = 14 * 24 * time.Hour

const renewFix = "start an admin's node: it renews certificates of all that it reaches"

// checkCertificates looks at this node's own, and at those of the others that have expired.
func checkCertificates(_ context.Context, p *patient) []finding {
	self, now := p.self(), p.sys.now()
	switch {
	case self == nil && p.cfg == nil:
		return skip("without a config nothing is known of them")
	case self == nil:
		return skip("this node is no member: its peers stand in the file")
	}
	var found []finding
	on := self.NotAfter.UTC().Format(time.DateOnly)
	switch left := self.NotAfter.Sub(now); {
	case left <= 0:
		found = append(found, fail(renewFix, "this node's certificate expired on %s", on))
	case left < expiryWarning:
		found = append(found, warn(renewFix, "this node's certificate expires on %s", on))
	}
	for _, m := range p.members {
		if !m.Self && !m.NotAfter.After(now) {
			found = append(found, warn("start that node beside an admin's, or remove it: vxmesh peer remove "+m.Name,
				"the certificate of %s expired on %s", m.Name, m.NotAfter.UTC().Format(time.DateOnly)))
		}
	}
	return orOkay(found, "good until %s, of %s", on, plural(len(p.members), "member", "members"))
}

// wantedBuffer is the receive buffer that the engine asks for, in bytes.
const wantedBuffer = 4 << 20

// sysctl reads a number; ok is whether there is one.
func (p *patient) sysctl(name string) (n int, ok bool) {
	text, err := p.sys.readFile("/proc/sys/" + name)
	if err != nil {
		return 0, false
	}
	n, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return n, err == nil
}

// bufferText says what buffer the kernel lets a socket have.
func (p *patient) bufferText() string {
	most, ok := p.sysctl("net/core/rmem_max")
	switch {
	case p.sys.os != "linux" || !ok:
		return ""
	case most >= wantedBuffer:
		return ", rcvbuf 4 MiB"
	case p.forcesBuffers():
		return fmt.Sprintf(", rcvbuf 4 MiB (net.core.rmem_max %d, forced)", most)
	}
	return fmt.Sprintf(", rcvbuf %d", most)
}

// forcesBuffers reports whether the node may go beyond the kernel's limit.
func (p *patient) forcesBuffers() bool { return p.mayMakeDevices() }

// checkSysctls looks at what the kernel is set to, where that is in the way.
func checkSysctls(_ context.Context, p *patient) []finding {
	if p.sys.os != "linux" {
		return skip("only Linux has them")
	}
	found := p.bufferLimit()
	found = append(found, p.bridgeFilter()...)
	found = append(found, p.reversePath()...)
	found = append(found, p.ipv6Off()...)
	return orOkay(found, "nothing is in the way")
}

func (p *patient) bufferLimit() []finding {
	const path = "/proc/sys/net/core/rmem_max"
	most, ok := p.sysctl("net/core/rmem_max")
	if !ok || most >= wantedBuffer || p.forcesBuffers() {
		return nil
	}
	set := fmt.Sprintf("net.core.rmem_max=%d", wantedBuffer)
	f := warn("sysctl -w "+set, "net.core.rmem_max is %d: bursts are lost in the kernel", most)
	if p.sys.euid == 0 {
		f.does = "sysctl " + set + ", until the next boot"
		f.mend = func() error { return p.sys.writeFile(path, []byte(strconv.Itoa(wantedBuffer)+"\n")) }
	}
	return []finding{f}
}

// bridgeFilter: a bridge whose frames go through iptables loses what that does not know.
func (p *patient) bridgeFilter() (found []finding) {
	bridged := p.cfg != nil && slices.ContainsFunc(p.cfg.Segments, func(s config.Segment) bool {
		return s.Device.Bridge != ""
	})
	if !bridged {
		return nil
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		if on, ok := p.sysctl("net/bridge/bridge-nf-call-" + name); ok && on != 0 {
			found = append(found, warn("sysctl -w net.bridge.bridge-nf-call-"+name+"=0, unless containers here need it",
				"frames in bridges go through %s, which may drop them (bridge-nf-call-%s)", name, name))
		}
	}
	return found
}

// reversePath: strict filtering drops what comes in by another way than answers would go out. It takes
// two ways out for that.
func (p *patient) reversePath() []finding {
	strict, _ := p.sysctl("net/ipv4/conf/all/rp_filter")
	routes, err := p.sys.readFile("/proc/net/route")
	if strict != 1 || err != nil {
		return nil
	}
	ways := map[string]bool{}
	for line := range strings.Lines(string(routes)) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "00000000" {
			ways[f[0]] = true
		}
	}
	if len(ways) < 2 {
		return nil
	}
	return []finding{warn("sysctl -w net.ipv4.conf.all.rp_filter=2",
		"rp_filter is strict and there are %d default routes: datagrams that come in by the other are dropped", len(ways))}
}

// ipv6Off: addresses of the config that the kernel would refuse.
func (p *patient) ipv6Off() (found []finding) {
	if p.cfg == nil {
		return nil
	}
	for _, s := range p.cfg.Segments {
		is6 := func(a netip.Prefix) bool { return a.Addr().Is6() }
		if !s.Device.Kind.IsSystems() || !slices.ContainsFunc(s.Device.Addresses, is6) {
			continue
		}
		for _, name := range []string{"all", s.Device.Name} {
			if off, _ := p.sysctl("net/ipv6/conf/" + name + "/disable_ipv6"); off != 0 {
				found = append(found, fail("sysctl -w net.ipv6.conf."+name+".disable_ipv6=0, or leave the IPv6 address out",
					"%s is to have an IPv6 address, and IPv6 is off (disable_ipv6 of %s)", s.Device.Name, name))
				break
			}
		}
	}
	return found
}

// unitFiles are where a package, or a person, puts the unit.
var unitFiles = []string{
	"/etc/systemd/system/vxmesh@.service", "/usr/lib/systemd/system/vxmesh@.service",
	"/lib/systemd/system/vxmesh@.service",
}

// checkService looks at the network's unit, where there is one.
func checkService(ctx context.Context, p *patient) []finding {
	installed := slices.ContainsFunc(unitFiles, func(path string) bool {
		_, err := p.sys.stat(path)
		return err == nil
	})
	if !installed || p.network == "" {
		return skip("there is no systemd unit for it")
	}
	unit := "vxmesh@" + p.network
	out, err := p.sys.run(ctx, "systemctl", "show", "--property=ActiveState,UnitFileState,Result", unit)
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return skip("there is no systemctl")
		}
		return skip("systemd does not say: %v", err)
	}
	state := properties(string(out))
	switch active, atBoot := state["ActiveState"], state["UnitFileState"] == "enabled"; {
	case active == "failed":
		return []finding{fail("journalctl -u "+unit+" -n 20; then: systemctl restart "+unit,
			"%s has failed (%s)", unit, state["Result"])}
	case active != "active" && p.node != nil:
		return okay("the node was not started by %s", unit)
	case active == "active" && !atBoot:
		return []finding{warn("systemctl enable "+unit, "%s runs, but does not start at boot", unit)}
	case active != "active" && atBoot:
		return []finding{warn("systemctl start "+unit, "%s is %s", unit, active)}
	case active != "active":
		return skip("%s is not in use", unit)
	}
	return okay("%s runs, and starts at boot", unit)
}

func properties(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		all[key] = value
	}
	return all
}
