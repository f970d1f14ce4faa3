package stun

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestClassify(t *testing.T) {
	const lan, public, v6 = "192.168.1.5:31877", "198.51.100.5:31877", "[2001:db8::5]:31877"
	for _, c := range []struct {
		name    string
		local   string
		results string // server=mapped, in their order; 1 is 192.0.2.1, :7 is 203.0.113.7:7
		mapping Mapping
		kept    bool
		step    int
		mapped  int
	}{
		{"nobody answers", lan, "", MappingUnknown, false, 0, 0},
		{"no NAT", public, "1=198.51.100.5:31877", MappingNone, true, 0, 1},
		{"no NAT, IPv6", v6, "2001:db8:9::1=[2001:db8::5]:31877", MappingNone, true, 0, 1},
		{"our address, another port", public, "1=198.51.100.5:9 2=198.51.100.5:9", MappingIndependent, false, 0, 1},
		{"one server", lan, "1=:31877", MappingUnknown, true, 0, 1},
		{"one server with two ports", lan, "1=:31877 1=:31877", MappingUnknown, true, 0, 1},
		{"one server, two answers", lan, "1=:7 1=:900", MappingVaries, false, 0, 2},
		{"home", lan, "1=:31877 2=:31877", MappingIndependent, true, 0, 1},
		{"port changed", lan, "1=:7 2=:7", MappingIndependent, false, 0, 1},
		{"random", lan, "1=:5000 2=:60000", MappingVaries, false, 0, 2},
		{"port kept once", lan, "1=:31877 2=:5000", MappingVaries, false, 0, 2},
		{"several addresses", lan, "1=:31877 2=203.0.113.8:31877", MappingVaries, true, 0, 2},
		{"near, but another address", lan, "1=:7 2=203.0.113.8:8", MappingVaries, false, 0, 2},
		{"up", lan, "1=:40 2=:41 3=:42", MappingVaries, false, 1, 3},
		{"down, by two", lan, "1=:44 2=:42 3=:38", MappingVaries, false, -2, 3},
		{"others in between", lan, "1=:40 2=:42 3=:45", MappingVaries, false, 1, 3},
		{"16", lan, "1=:40 2=:56", MappingVaries, false, 16, 2},
		{"17", lan, "1=:40 2=:57", MappingVaries, false, 0, 2},
		{"-17", lan, "1=:57 2=:40", MappingVaries, false, 0, 2},
		{"to and fro", lan, "1=:40 2=:41 3=:40", MappingVaries, false, 0, 2},
		{"not always", lan, "1=:40 2=:40 3=:41", MappingVaries, false, 0, 2},
		{"neighbour", lan, "192.168.1.9=192.168.1.5:31877 1=:7 2=:7", MappingIndependent, false, 0, 1},
		{"neighbour by its outside address", lan, "192.0.2.9=192.168.1.5:31877 1=:7", MappingUnknown, false, 0, 1},
		{"only a neighbour", lan, "192.168.1.9=192.168.1.5:31877", MappingUnknown, true, 0, 1},
		{"on the link", "[fe80::5]:31877", "fe80::9=[fe80::5]:31877", MappingUnknown, true, 0, 1},
		{"on this machine", "127.0.0.1:31877", "127.0.0.1=127.0.0.1:31877", MappingUnknown, true, 0, 1},
		{"between two NATs", lan, "10.0.0.9=10.0.0.5:7 1=:9 2=:9", MappingIndependent, false, 0, 1},
		{"in the carrier's net", lan, "100.64.0.9=100.64.0.5:7 1=:9", MappingUnknown, false, 0, 1},
		{"a private internet", lan, "10.1.0.1=10.0.0.5:31877 10.2.0.1=10.0.0.5:31877", MappingIndependent, true, 0, 1},
	} {
		var results []Result
		for field := range strings.FieldsSeq(c.results) {
			server, mapped, _ := strings.Cut(field, "=")
			if len(server) == 1 {
				server = "192.0.2." + server
			}
			if strings.HasPrefix(mapped, ":") {
				mapped = "203.0.113.7" + mapped
			}
			results = append(results, Result{
				Server: netip.AddrPortFrom(netip.MustParseAddr(server), uint16(3478+len(results))), Mapped: ap(mapped),
			})
		}
		before := fmt.Sprint(results)
		got := Classify([]netip.AddrPort{ap("192.168.77.1:31877"), ap(c.local)}, results)
		if fmt.Sprint(results) != before {
			t.Errorf("%s: the results were changed", c.name)
		}
		mapped := len(got.Mapped)
		got.Mapped = nil
		if want := (Behaviour{c.mapping, c.kept, c.step, nil}); !reflect.DeepEqual(got, want) || mapped != c.mapped {
			t.Errorf("%s: %+v, %d addresses; want %+v, %d", c.name, got, mapped, want, c.mapped)
		}
	}
}
