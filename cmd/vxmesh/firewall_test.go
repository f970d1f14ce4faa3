package main

import (
	"testing"
)

const dropAll = `{"nftables": [{"metainfo": {}},
 {"chain": {"family":"inet","table":"filter","name":"input","type":"filter","hook":"input","policy":"drop"}}]}`

func nftWith(rules string) string {
	return `{"nftables": [
 {"chain": {"family":"inet","table":"filter","name":"input","type":"filter","hook":"input","policy":"drop"}},
 {"chain": {"family":"inet","table":"filter","name":"services"}},` + rules + `]}`
}

func nftRuleText(chain, expr string) string {
	return `{"rule": {"family":"inet","table":"filter","chain":"` + chain + `","expr":[` + expr + `]}}`
}

const (
	established = `{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},{"accept":null}`
	loopback    = `{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"lo"}},{"accept":null}`
	ssh         = `{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}},{"accept":null}`
	udpPort     = `{"match":{"op":"==","left":{"payload":{"protocol":"udp","field":"dport"}},"right":`
	fromLAN     = `{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"192.168.1.0/24"}},{"accept":null}`
)

// TestFirewall judges rules as they apply to a new datagram from outside to UDP port 42420.
func TestFirewall(t *testing.T) {
	usual := nftRuleText("input", established) + "," + nftRuleText("input", loopback) + "," + nftRuleText("input", ssh)
	with := func(expr string) string { return nftWith(usual + "," + nftRuleText("input", expr)) }
	const ipt = "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n"
	for _, tt := range []struct {
		name, tool, rules string
		dropped, sure     bool
	}{
		{"policy", "nft", dropAll, true, true},
		{"usual", "nft", nftWith(usual), true, true},
		{"port", "nft", with(udpPort + `42420}},{"accept":null}`), false, true},
		{"other port", "nft", with(udpPort + `4242}},{"accept":null}`), true, true},
		{"set and range", "nft", with(udpPort + `{"set":[53,{"range":[42000,43000]}]}}},{"accept":null}`), false, true},
		{"named set", "nft", with(udpPort + `"@mesh"}},{"accept":null}`), true, false},
		{"some sources", "nft", with(fromLAN), true, false},
		{"all UDP", "nft", with(`{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"udp"}},{"accept":null}`), false, true},
		{"jump", "nft", nftWith(usual + "," + nftRuleText("input", `{"jump":{"target":"services"}}`) + "," +
			nftRuleText("services", udpPort+`42420}},{"counter":{"packets":0}},{"accept":null}`)), false, true},
		{"jump and back", "nft", nftWith(nftRuleText("input", `{"jump":{"target":"services"}}`)), true, true},
		{"verdict map", "nft", with(`{"vmap":{"key":{"ct":{"key":"state"}},"data":"@x"}}`), true, false},
		{"nothing", "nft", `{"nftables": []}`, false, true},
		{"policy", "iptables", ipt, true, true},
		{"port", "iptables", ipt + "-A INPUT -p udp -m udp --dport 42420 -j ACCEPT\n", false, true},
		{"ports", "iptables", ipt + "-A INPUT -p udp -m multiport --dports 53,42000:43000 -j ACCEPT\n", false, true},
		{"another", "iptables", ipt + "-A INPUT -p tcp -m tcp --dport 42420 -j ACCEPT\n", true, true},
		{"some sources", "iptables", ipt + "-A INPUT -s 10.0.0.0/8 -p udp -j ACCEPT\n", true, false},
		{"not", "iptables", ipt + "-A INPUT ! -i eth0 -j ACCEPT\n", true, false},
		{"rule", "iptables", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -j REJECT --reject-with icmp-port-unreachable\n", true, true},
		{"chain", "iptables", ":INPUT DROP [0:0]\n:MESH - [0:0]\n-A INPUT -j MESH\n-A MESH -p udp --dport 42420 -j ACCEPT\n", false, true},
	} {
		t.Run(tt.tool+" "+tt.name, func(t *testing.T) {
			f := firewall{}
			if tt.tool == "nft" {
				var err error
				if f, err = parseNFT([]byte(tt.rules), 42420); err != nil {
					t.Fatal(err)
				}
			} else {
				parseIPTables(f, tt.tool, tt.rules, 42420)
			}
			dropped, sure := false, true
			for _, c := range f.bases() {
				dropped, sure = f.drops(c)
			}
			if dropped != tt.dropped || sure != tt.sure {
				t.Errorf("dropped %v (sure %v), want %v (%v)", dropped, sure, tt.dropped, tt.sure)
			}
		})
	}
}

func FuzzFirewall(f *testing.F) {
	f.Add(dropAll, uint16(42420))
	f.Add(nftWith(nftRuleText("input", established)), uint16(1))
	f.Add(":INPUT DROP [0:0]\n-A INPUT -g INPUT\n", uint16(1))
	f.Fuzz(func(_ *testing.T, rules string, port uint16) {
		all := firewall{}
		parseIPTables(all, "iptables", rules, port)
		if nft, err := parseNFT([]byte(rules), port); err == nil {
			all["nft"] = &fwChain{}
			for k, c := range nft {
				all[k] = c
			}
		}
		for _, c := range all.bases() {
			_, _ = all.drops(c)
		}
	})
}
