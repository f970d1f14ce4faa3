package portmap

import (
	"net/netip"
	"strings"
	"testing"
)

// TestAsking leads the talk by hand. Each line is what comes in and, after it, how the talk goes on
// and what is due then: P a PCP mapping, a NAT-PMP's outer address, m its mapping.
func TestAsking(t *testing.T) {
	server := netip.MustParseAddrPort("192.168.1.1:5351")
	outer := netip.MustParseAddr("198.51.100.7")
	nobody := netip.IPv4Unspecified()
	pcp := func(a pcpAnswer) []byte { return appendPCPAnswer(nil, a) }
	pmp := func(a pmpAnswer) []byte { return appendPMPAnswer(nil, a) }
	ours := pcpMapping{
		nonce: testNonce, protocol: udpNumber, internal: ourPort, external: netip.AddrPortFrom(outer, 9),
	}
	in := map[string][]byte{
		"granted":            pcp(pcpAnswer{op: opMap, lifetime: 7200, mapping: ours}),
		"refused":            pcp(pcpAnswer{op: opMap, result: 8, mapping: ours}),
		"other version":      pcp(pcpAnswer{op: opMap, result: resultVersion}),
		"version by NAT-PMP": pmp(pmpAnswer{op: pmpMapUDP, result: resultVersion}),
		"short refusal":      pcp(pcpAnswer{op: opMap, result: 8}),
		"announcement":       pcp(pcpAnswer{op: opAnnounce}),
		"granted announcement": append(pcp(pcpAnswer{op: opAnnounce, lifetime: 7200}),
			pcp(pcpAnswer{op: opMap, lifetime: 7200, mapping: ours})[24:]...),
		"announced version": pcp(pcpAnswer{op: opAnnounce, result: resultVersion}),
		"no version":        pmp(pmpAnswer{op: pmpAddress, result: resultVersion}),
		"address":           pmp(pmpAnswer{op: pmpAddress, address: outer}),
		"no address":        pmp(pmpAnswer{op: pmpAddress, address: nobody}),
		"no network":        pmp(pmpAnswer{op: pmpAddress, result: 3}),
		"mapped":            pmp(pmpAnswer{op: pmpMapUDP, internal: ourPort, external: 9, lifetime: 7200}),
		"mapping denied":    pmp(pmpAnswer{op: pmpMapUDP, result: 2}),
		"nonsense":          []byte("nonsense"),
	}
	for name, steps := range map[string]string{
		"both, PCP is first":         "address: on Pm; granted: done pcp",
		"PCP only":                   "announced version: on P; announced version: on P; granted: done pcp",
		"PCP only, by NAT-PMP":       "no version: on P; no version: on P; granted: done pcp",
		"NAT-PMP only":               "address: on Pm; version by NAT-PMP: again m; mapped: done nat-pmp",
		"NAT-PMP only, version last": "version by NAT-PMP: on a; address: again m; mapped: done nat-pmp",
		"refused twice": "version by NAT-PMP: on a; version by NAT-PMP: on a; address: again m; " +
			"mapped: done nat-pmp",
		"PCP of another version":  "other version: on a; address: again m; mapped: done nat-pmp",
		"PCP refuses":             "refused: on a; address: again m; mapped: done nat-pmp",
		"PCP silent":              "address: on Pm; mapped: done nat-pmp",
		"both refuse":             "no network: on P; refused: done none",
		"both refuse, PCP first":  "refused: on a; mapping denied: done none",
		"no outer address":        "no address: on P; granted: done pcp",
		"what means nothing":      "nonsense: on Pa; short refusal: on Pa; announcement: on Pa; granted: done pcp",
		"an announcement of that": "granted announcement: on Pa",
		"mapped before asked":     "mapped: on Pa; address: on Pm; mapped: done nat-pmp",
	} {
		a := &asking{server: server, request: pcpRequest{op: opMap, nonce: testNonce, internal: ourPort}}
		a.due()
		for step := range strings.SplitSeq(steps, "; ") {
			event, want, _ := strings.Cut(step, ": ")
			b, known := in[event]
			if !known {
				t.Fatalf("%s: no answer is called %q", name, event)
			}
			if got := outcome(a, a.take(b, server)); got != want {
				t.Errorf("%s: %q: %s, want %s", name, event, got, want)
			}
		}
	}
}

// outcome says how a talk goes on.
func outcome(a *asking, v verdict) string {
	if v == done {
		if a.granted.protocol == "" {
			return "done none"
		}
		return "done " + a.granted.protocol
	}
	text := "on "
	if v == again {
		text = "again "
	}
	for _, d := range a.due() {
		switch {
		case d.data[0] == pcpVersion:
			text += "P"
		case d.data[1] == pmpAddress:
			text += "a"
		default:
			text += "m"
		}
	}
	return text
}
