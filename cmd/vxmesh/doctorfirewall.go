package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// checkFirewall looks whether this machine's own firewall drops datagrams of those who have not been
// sent any. It says only what the rules say plainly: one that it does not understand may decide
// anything.
func checkFirewall(ctx context.Context, p *patient) []finding {
	if p.sys.os != "linux" {
		return skip("only that of Linux is looked at")
	}
	ports := p.ports()
	if len(ports) == 0 {
		return skip("there is no port to look for")
	}
	if p.sys.euid != 0 {
		return skip("only root sees the rules: sudo vxmesh doctor")
	}
	var found []finding
	unsure := false
	for _, port := range ports {
		chains, tool, err := p.rules(ctx, port)
		if err != nil {
			return skip("the rules cannot be read: %v", err)
		}
		for _, c := range chains.bases() {
			switch dropped, sure := chains.drops(c); {
			case dropped && sure:
				found = append(found, warn(c.accept(tool, port),
					"%s drops UDP port %d of strangers; peers whom this node calls first still get in", c.title, port))
			case !sure:
				unsure = true
			}
		}
	}
	if unsure {
		return orOkay(found, "no rule is seen to drop UDP port %d; some cannot be judged from here", ports[0])
	}
	return orOkay(found, "nothing drops UDP port %d", ports[0])
}

// rules reads what decides about datagrams to a UDP port: with nft, or where that is missing with
// iptables.
func (p *patient) rules(ctx context.Context, port uint16) (firewall, string, error) {
	out, err := p.sys.run(ctx, "nft", "-j", "list", "ruleset")
	if err == nil {
		f, err := parseNFT(out, port)
		return f, "nft", err
	}
	if !errors.Is(err, exec.ErrNotFound) {
		return nil, "", fmt.Errorf("nft: %w", err)
	}
	f := firewall{}
	for _, tool := range []string{"iptables", "ip6tables"} {
		out, err := p.sys.run(ctx, tool+"-save", "-t", "filter")
		if err == nil {
			parseIPTables(f, tool, string(out), port)
		} else if !errors.Is(err, exec.ErrNotFound) {
			return nil, "", fmt.Errorf("%s-save: %w", tool, err)
		}
	}
	return f, "iptables", nil
}

// A firewall is its chains by an own name each.
type firewall map[string]*fwChain

// A fwChain is rules in their order.
type fwChain struct {
	title  string // for people
	name   string // as its tool writes it
	family string // "ip", "ip6", "inet"
	base   bool   // what comes in begins here
	drop   bool   // what no rule decides about is dropped
	rules  []fwRule
}

// A fwRule is one, as it applies to a new datagram from outside to the port in question.
type fwRule struct {
	matches trilean
	does    fwVerdict
	target  string // the name of the chain that it goes to
}

// A trilean is what is known of a condition.
type trilean int

const (
	no trilean = iota
	maybe
	yes
)

// and is what is known of both conditions together.
func (t trilean) and(o trilean) trilean { return min(t, o) }

func trileanOf(b bool) trilean {
	if b {
		return yes
	}
	return no
}

// A fwVerdict is what a rule does.
type fwVerdict int

const (
	fwNext fwVerdict = iota // counts, logs, marks
	fwAccept
	fwDrop
	fwJump
	fwGoto
	fwReturn
	fwUnknown // who knows
)

func (f firewall) bases() (all []*fwChain) {
	for _, c := range f {
		if c.base {
			all = append(all, c)
		}
	}
	return all
}

// drops reports whether a chain drops the datagram. It is sure when no rule that is not understood, or
// whose condition cannot be known, could decide otherwise.
func (f firewall) drops(c *fwChain) (dropped, sure bool) {
	verdict, sure := f.walk(c, 0)
	if verdict == fwReturn {
		verdict = fwAccept
		if c.drop {
			verdict = fwDrop
		}
	}
	return verdict == fwDrop, sure
}

// maxJumps bounds how deep chains call chains; the kernel has a bound, too.
const maxJumps = 16

// walk gives what a chain decides, fwReturn for nothing.
func (f firewall) walk(c *fwChain, depth int) (verdict fwVerdict, sure bool) {
	sure = true
	for _, r := range c.rules {
		if r.matches == no || r.does == fwNext {
			continue
		}
		does, clear := f.follow(r, depth)
		sure = sure && clear
		switch {
		case does == fwReturn && r.does == fwJump: // it comes back, and goes on here
		case r.matches == maybe || does == fwUnknown:
			sure = false
		default:
			return does, sure
		}
	}
	return fwReturn, sure
}

// follow gives what comes of a rule, in the chain that it goes to if it goes to one.
func (f firewall) follow(r fwRule, depth int) (verdict fwVerdict, sure bool) {
	if r.does != fwJump && r.does != fwGoto {
		return r.does, true
	}
	to := f[r.target]
	if to == nil || depth == maxJumps {
		return fwUnknown, false
	}
	return f.walk(to, depth+1)
}

// accept is the command that lets a port in.
func (c *fwChain) accept(tool string, port uint16) string {
	if tool == "nft" {
		return fmt.Sprintf("nft insert rule %s udp dport %d accept", c.name, port)
	}
	command := "iptables"
	if c.family == "ip6" {
		command = "ip6tables"
	}
	return fmt.Sprintf("%s -I %s -p udp --dport %d -j ACCEPT", command, c.name, port)
}

// parseIPTables adds what iptables-save prints of the table filter.
func parseIPTables(f firewall, tool, text string, port uint16) {
	family := map[string]string{"iptables": "ip", "ip6tables": "ip6"}[tool]
	chain := func(name string) *fwChain {
		key := family + " " + name
		if f[key] == nil {
			f[key] = &fwChain{title: tool + " chain " + name, name: name, family: family, base: name == "INPUT"}
		}
		return f[key]
	}
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		switch {
		case len(w) >= 2 && strings.HasPrefix(w[0], ":"):
			chain(w[0][1:]).drop = w[1] == "DROP"
		case len(w) >= 2 && w[0] == "-A":
			r := iptablesRule(w[2:], port)
			if r.target != "" {
				r.target = family + " " + r.target
			}
			c := chain(w[1])
			c.rules = append(c.rules, r)
		}
	}
}

// iptablesVerdicts are the targets that are no chains.
var iptablesVerdicts = map[string]fwVerdict{
	"ACCEPT": fwAccept, "DROP": fwDrop, "REJECT": fwDrop, "RETURN": fwReturn,
	"LOG": fwNext, "NFLOG": fwNext, "MARK": fwNext, "CONNMARK": fwNext, "AUDIT": fwNext,
}

// iptablesRule reads one rule, from what comes after its chain.
func iptablesRule(w []string, port uint16) fwRule {
	r := fwRule{matches: yes}
	for i := 0; i < len(w); i++ {
		value := ""
		if i+1 < len(w) {
			value = w[i+1]
		}
		switch w[i] {
		case "!":
			r.matches = r.matches.and(maybe)
			i += 2
		case "-m":
			i++
		case "-j", "-g":
			known, ok := iptablesVerdicts[value]
			switch {
			case ok:
				r.does = known
			case w[i] == "-g":
				r.does, r.target = fwGoto, value
			default:
				r.does, r.target = fwJump, value
			}
			return r // what follows says how, not whether
		default:
			r.matches = r.matches.and(iptablesMatch(w[i], value, port))
			i++
		}
	}
	return r
}

// iptablesMatch is whether one condition holds for a new datagram from outside to the port.
func iptablesMatch(option, value string, port uint16) trilean {
	switch option {
	case "-p":
		return trileanOf(value == "udp" || value == "17" || value == "all")
	case "--dport", "--dports":
		return trileanOf(inPorts(value, port))
	case "--ctstate", "--state":
		return trileanOf(strings.Contains(","+value+",", ",NEW,"))
	case "-i":
		if value == "lo" {
			return no
		}
	}
	return maybe
}

// inPorts reports whether a list like 22,1000:2000 has a port.
func inPorts(list string, port uint16) bool {
	for part := range strings.SplitSeq(list, ",") {
		var from, to uint16
		if n, _ := fmt.Sscanf(part, "%d:%d", &from, &to); n == 1 {
			to = from
		}
		if from <= port && port <= to {
			return true
		}
	}
	return false
}
