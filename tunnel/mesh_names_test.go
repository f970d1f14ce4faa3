package tunnel_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// TestNamesOfTheOldFile has a look-up end after its name was taken out of the file: what it found
// is nobody's address any more.
func TestNamesOfTheOldFile(t *testing.T) {
	simulate(t, 35, func(w *world) {
		a, b := w.pair()
		const old = "203.0.113.66:42420"
		a.options.Mesh.Peers[0].Endpoints = []string{"old.example.net:42420"}
		a.options.Lookup = func(context.Context, []string) ([]netip.AddrPort, error) {
			<-time.After(4 * time.Second) // a slow name server
			return []netip.AddrPort{netip.MustParseAddrPort(old)}, nil
		}
		start(a)
		w.pass(time.Second)
		a.options.Mesh.Peers = slices.Clone(a.options.Mesh.Peers)
		a.options.Mesh.Peers[0].Endpoints = []string{b.addr.String()}
		a.apply(true)
		w.pass(10 * time.Second)
		if got := a.candidates(b); !slices.Equal(got, []string{b.addr.String()}) {
			t.Errorf("it is called at %v", got)
		}
	})
}

// TestWhyUnresolved names the endpoints that do not resolve, and no address as one of them.
func TestWhyUnresolved(t *testing.T) {
	simulate(t, 36, func(w *world) {
		a, b := w.pair()
		a.options.Mesh.Peers[0].Endpoints = []string{
			"nas.example.net:42420", "[2001:db8::7]:42420", "192.0.2.53:42420",
		}
		a.options.Lookup = func(context.Context, []string) ([]netip.AddrPort, error) {
			return nil, errors.New("nas.example.net does not resolve: [2001:db8::53] and 192.0.2.53 refuse")
		}
		start(a)
		w.pass(time.Second)
		why, err := a.Why(b.name)
		if err != nil {
			t.Fatal(err)
		}
		var unresolved []string
		for _, c := range why.Candidates {
			if c.State == control.CandidateUnresolved {
				unresolved = append(unresolved, c.Address)
			}
		}
		if !slices.Equal(unresolved, []string{"nas.example.net:42420"}) {
			t.Errorf("%v do not resolve", unresolved)
		}
	})
}

// TestWhyUnsendable does not speak of firewalls where this machine itself sends nothing.
func TestWhyUnsendable(t *testing.T) {
	simulate(t, 37, func(w *world) {
		a, b := w.pair()
		a.options.Mesh.Peers[0].Endpoints = []string{"[2001:db8::7]:42420"} // and no IPv6 here
		start(a)
		w.pass(time.Second)
		why, err := a.Why(b.name)
		if err != nil {
			t.Fatal(err)
		}
		if len(why.Fixes) != 1 || !strings.Contains(why.Fixes[0], "[2001:db8::7]:42420: listen.mesh has no") {
			t.Errorf("%q", why.Fixes)
		}
	})
}

// candidates are the addresses at which the member looks for another.
func (m *member) candidates(other *member) (out []string) {
	m.w.t.Helper()
	why, err := m.Why(other.name)
	if err != nil {
		m.w.t.Fatal(err)
	}
	for _, c := range why.Candidates {
		out = append(out, c.Address)
	}
	return out
}
