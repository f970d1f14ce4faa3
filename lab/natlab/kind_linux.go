package natlab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Kinds returns the kinds of IPv4 sites, from the easiest to the hardest, without suffixes.
func Kinds() []string {
	return []string{
		"open", "fw", "fullcone", "addr", "port", "portrej", "porthash", "symseq", "symrand", "block",
	}
}

// A kind is what a router does, taken apart.
type kind struct {
	base        string
	hairpin, v6 bool
}

func parseKind(text string) (kind, error) {
	words := strings.Split(text, "+")
	k := kind{base: words[0], v6: words[0] == "v6only"}
	if k.base != "v6only" && !slices.Contains(Kinds(), k.base) {
		return kind{}, fmt.Errorf("unknown kind of NAT %q", text)
	}
	for _, w := range words[1:] {
		switch {
		case w == "v6":
			k.v6 = true
		case w == "hp" && (k.base == "fullcone" || k.base == "addr"):
			k.hairpin = true
		default:
			return kind{}, fmt.Errorf("kind of NAT %q: no %q there", text, w)
		}
	}
	return k, nil
}

// v4 says whether the inside has IPv4.
func (k kind) v4() bool { return k.base != "v6only" }

// routed says whether the inside has outside addresses.
func (k kind) routed() bool { return k.base == "open" || k.base == "fw" }

// translates says whether the inside has IPv4 addresses that nobody outside sees.
func (k kind) translates() bool { return k.v4() && !k.routed() }

// timeouts are how long a mapping lives that was never answered, and one that was.
type timeouts struct{ single, stream time.Duration }

// defaultTimeouts are Linux's own.
var defaultTimeouts = timeouts{30 * time.Second, 120 * time.Second}

// rules are the lines that differ between kinds, by the chain they are in.
type rules struct{ forward, input, early, before, learn, after string }

// table is all that a router does. Loading it replaces the one before and forgets what it had
// learned; connections stay as they are. Its verbs are the fields of [rules], in order, and the life
// of what is learned in milliseconds.
//
// A cone is what one outside port leads to, a spoke whom it has sent to. Both are learned from what
// leaves, after its translation, and not from connections, which are bound to one destination each.
const table = `
	table inet natlab
	delete table inet natlab
	table inet natlab {
		chain forwarding {
			type filter hook forward priority filter; policy accept;
			%s
		}
		chain incoming {
			type filter hook input priority filter; policy accept;
			iifname "wan" ct state established,related accept
			%s
		}
	}
	table ip natlab
	delete table ip natlab
	table ip natlab {
		map cone {
			type inet_service : ipv4_addr . inet_service
			flags dynamic,timeout; timeout %[7]dms; size 65535;
		}
		set spoke {
			type inet_service . ipv4_addr
			flags dynamic,timeout; timeout %[7]dms; size 65535;
		}
		chain early {
			type filter hook prerouting priority -110; policy accept;
			%[3]s
		}
		chain before {
			type nat hook prerouting priority dstnat; policy accept;
			%[4]s
		}
		chain learn {
			type filter hook postrouting priority 110; policy accept;
			%[5]s
		}
		chain after {
			type nat hook postrouting priority srcnat; policy accept;
			%[6]s
		}
	}
`

// text is the router's table.
func (k kind) text(wan netip.Addr, life timeouts) string {
	r := k.rules(wan)
	if k.base != "open" {
		r.forward += `
			ct state established,related accept
			iifname "wan" ct status dnat accept
			iifname "wan" drop`
	}
	return fmt.Sprintf(table, r.forward, r.input, r.early, r.before, r.learn, r.after,
		life.stream.Milliseconds())
}

const (
	masquerade = `oifname "wan" masquerade`
	dropStrays = `iifname "wan" meta l4proto udp drop`
	// learnOwn and learnAnswer take the source before its translation from the connection, which is
	// an own one or one that a stranger began. What was not translated is nothing to learn.
	learnOwn = ` meta l4proto udp ct direction original ct status snat ` +
		`update @cone { udp sport : ct original ip saddr . ct original proto-src }` + "\n"
	learnAnswer = ` meta l4proto udp ct direction reply ct status dnat ` +
		`update @cone { udp sport : ct reply ip saddr . ct reply proto-src }` + "\n"
	learn = `oifname "wan"` + learnOwn + `oifname "wan"` + learnAnswer +
		`oifname "wan" meta l4proto udp update @spoke { udp sport . ip daddr }`
)

func (k kind) rules(wan netip.Addr) rules {
	r := rules{input: dropStrays, after: masquerade}
	switch k.base {
	case "open", "fw":
		r.after = ""
	case "fullcone":
		r.learn = learn
		r.before = `iifname "wan" meta l4proto udp dnat ip to udp dport map @cone`
	case "addr":
		r.learn = learn
		r.before = `iifname "wan" udp dport . ip saddr @spoke dnat ip to udp dport map @cone`
	case "portrej":
		r.input = ""
	case "porthash":
		r.after = "oifname \"wan\" meta l4proto udp masquerade to : jhash ip saddr . udp sport mod 4096 map " +
			ports(4096, func(i int) int { return 20000 + int(uint64(i)*2654435761%40000) }) + "\n" + masquerade
	case "symseq":
		r.after = "oifname \"wan\" meta l4proto udp masquerade to : numgen inc mod 8192 map " +
			ports(8192, func(i int) int { return 40000 + i }) + "\n" + masquerade
	case "symrand":
		r.after = masquerade + " random,fully-random"
	case "block":
		r.forward = "meta l4proto udp drop"
	case "v6only":
		r.forward = "meta nfproto ipv4 drop"
	}
	if k.hairpin {
		r.turn(wan, k.base)
	}
	return r
}

// turn adds the hairpin: what comes from inside to our own outside address goes back inside, and has
// that address as its source. What nothing inside waits for must not get to the router itself.
func (r *rules) turn(wan netip.Addr, base string) {
	own := fmt.Sprintf("iifname \"lan\" ip daddr %s meta l4proto udp ", wan)
	r.input += "\n" + own + "drop"
	r.learn += "\n" + `iifname "lan" oifname "lan"` + learnOwn
	r.after += fmt.Sprintf("\niifname \"lan\" oifname \"lan\" ct status dnat snat to %s", wan)
	if base == "fullcone" {
		r.before += "\n" + own + "dnat ip to udp dport map @cone"
		return
	}
	// Whom a port has sent to is known before it is translated only: here it counts as kept.
	r.early = own + "update @spoke { udp sport . ip daddr }"
	r.before += fmt.Sprintf("\niifname \"lan\" ip daddr %s udp dport . ip daddr @spoke "+
		"dnat ip to udp dport map @cone", wan)
}

// ports is a map from a number to a port, for nft: a number itself would become a port with its
// bytes swapped.
func ports(n int, port func(int) int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d : %d, ", i, port(i))
	}
	return "{ " + strings.TrimSuffix(b.String(), ", ") + " }"
}
