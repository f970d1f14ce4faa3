package main

import (
	"encoding/json"
	"fmt"
	"slices"
)

// parseNFT reads what `nft -j list ruleset` prints, see libnftables-json(5), as it applies to a new
// datagram from outside to a UDP port.
func parseNFT(text []byte, port uint16) (firewall, error) {
	var list struct {
		Objects []struct {
			Chain *nftChain `json:"chain"`
			Rule  *nftRule  `json:"rule"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("nft: %w", err)
	}
	f := firewall{}
	for _, o := range list.Objects {
		if c := o.Chain; c != nil && slices.Contains([]string{"ip", "ip6", "inet"}, c.Family) {
			name := c.Family + " " + c.Table + " " + c.Name
			f[name] = &fwChain{
				title: "nftables chain " + name, name: name, family: c.Family,
				base: c.Hook == "input" && c.Type == "filter", drop: c.Policy == "drop",
			}
		}
	}
	for _, o := range list.Objects {
		if r := o.Rule; r != nil {
			if c := f[r.Family+" "+r.Table+" "+r.Chain]; c != nil {
				c.rules = append(c.rules, r.rule(port))
			}
		}
	}
	return f, nil
}

type nftChain struct {
	Family, Table, Name, Type, Hook, Policy string
}

type nftRule struct {
	Family, Table, Chain string
	Expr                 []map[string]json.RawMessage
}

// rule reads a rule's expressions: conditions, and at the end what is done.
func (r *nftRule) rule(port uint16) fwRule {
	out := fwRule{matches: yes}
	for _, e := range r.Expr {
		for kind, raw := range e {
			switch kind {
			case "accept":
				out.does = fwAccept
			case "drop", "reject":
				out.does = fwDrop
			case "return":
				out.does = fwReturn
			case "jump", "goto":
				out.does = fwJump
				if kind == "goto" {
					out.does = fwGoto
				}
				var to struct{ Target string }
				_ = json.Unmarshal(raw, &to) // without one it goes to a chain that there is not
				out.target = r.Family + " " + r.Table + " " + to.Target
			case "match":
				out.matches = out.matches.and(nftMatch(raw, port))
			case "counter", "log", "comment", "mangle", "notrack":
			default: // limit, vmap, xt, queue, ...
				out.matches = out.matches.and(maybe)
				if kind == "vmap" || kind == "xt" || kind == "queue" {
					out.does = fwUnknown
				}
			}
		}
	}
	return out
}

// nftMatch is whether one condition holds.
func nftMatch(raw []byte, port uint16) trilean {
	var m struct {
		Op   string
		Left struct {
			Payload struct{ Protocol, Field string }
			Meta    struct{ Key string }
			CT      struct{ Key string }
		}
		Right json.RawMessage
	}
	if json.Unmarshal(raw, &m) != nil {
		return maybe
	}
	has := maybe
	switch l := m.Left; {
	case l.Payload.Field == "dport" && slices.Contains([]string{"udp", "th"}, l.Payload.Protocol):
		has = nftHas(m.Right, port)
	case l.Payload.Field == "dport" || l.Payload.Protocol == "tcp" || l.Payload.Protocol == "icmp" ||
		l.Payload.Protocol == "icmpv6":
		return no // it is another protocol's, whatever it is compared with
	case l.Meta.Key == "l4proto":
		has = nftNamed(m.Right, "udp")
	case l.CT.Key == "state":
		has = nftNamed(m.Right, "new")
	case l.Meta.Key == "iifname" || l.Meta.Key == "iif":
		if nftNamed(m.Right, "lo") == yes {
			has = no
		}
	}
	switch {
	case has == maybe:
		return maybe
	case m.Op == "!=":
		return yes - has
	case m.Op == "==" || m.Op == "in":
		return has
	}
	return maybe
}

// nftHas reports whether a value, a range or a set has a port.
func nftHas(raw []byte, port uint16) trilean {
	var n uint16
	if json.Unmarshal(raw, &n) == nil {
		return trileanOf(n == port)
	}
	var compound struct {
		Range []uint16
		Set   []json.RawMessage
	}
	if json.Unmarshal(raw, &compound) != nil {
		return maybe // a name of a set, or of a service
	}
	switch {
	case len(compound.Range) == 2:
		return trileanOf(compound.Range[0] <= port && port <= compound.Range[1])
	case compound.Set != nil:
		has := no
		for _, e := range compound.Set {
			has = max(has, nftHas(e, port))
		}
		return has
	}
	return maybe
}

// nftNamed reports whether a value is a name, or a list or set of them has it.
func nftNamed(raw []byte, name string) trilean {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return trileanOf(one == name)
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return trileanOf(slices.Contains(many, name))
	}
	var set struct{ Set []string }
	if json.Unmarshal(raw, &set) == nil && set.Set != nil {
		return trileanOf(slices.Contains(set.Set, name))
	}
	return maybe
}
