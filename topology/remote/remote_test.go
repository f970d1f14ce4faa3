package remote_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/topology/remote"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plan is a host at home, and one on the internet.
func plan() topology.Plan {
	device := func(n byte) []topology.Device {
		return []topology.Device{{VNI: 77, Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 0, n}), 24)}}}
	}
	return topology.Plan{
		Name: "homes", Seed: 5,
		Sites: []topology.Site{{Name: "home", NAT: simnet.PortRestricted, Address: netip.MustParseAddr("198.51.100.1")}},
		Nodes: []topology.Node{
			{Name: "a", Site: "home", Addresses: []netip.Addr{netip.MustParseAddr("192.168.1.10")}, Devices: device(1)},
			{Name: "b", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Devices: device(2)},
			{Name: "idle", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.2")}},
		},
	}
}

// served runs the plan with its server until do has ended, or has stopped it.
func served(t *testing.T, do func(ctx context.Context, c remote.Client)) {
	t.Helper()
	w, err := topology.New(plan(), topology.Options{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "homes.sock")
	l, err := control.Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	err = w.RunWhile(t.Context(), func(ctx context.Context) error {
		ctx, end := context.WithCancel(ctx)
		defer end()
		s := remote.Server{
			World: w, File: "homes.toml", Stop: end, Log: slog.New(slog.DiscardHandler),
			Socket: func(node string) string { return node + ".sock" },
		}
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, l) }()
		do(ctx, remote.Client{Socket: path})
		end()
		return <-done
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := (remote.Client{Socket: path}).Lab(t.Context()); !errors.Is(err, control.ErrNoNode) {
		t.Errorf("after its end: %v", err)
	}
}

func TestLab(t *testing.T) {
	served(t, func(ctx context.Context, c remote.Client) {
		lab, err := c.Lab(ctx)
		if err != nil || lab.Name != "homes" || lab.Seed != 5 || len(lab.Nodes) != 3 || lab.Nodes[0].Socket != "a.sock" ||
			len(lab.Sites) != 1 || lab.Sites[0].NAT != "port-restricted" {
			t.Errorf("%+v, %v", lab, err)
		}
		kind, loss := simnet.FullCone, 0.02
		lab, err = c.Change(ctx, remote.ChangeRequest{Name: "home", Change: topology.Change{NAT: &kind, Loss: &loss}})
		if err != nil || lab.Sites[0].NAT != "full-cone" {
			t.Errorf("%+v, %v", lab, err)
		}
	})
}

// TestRefusals: what cannot be has a code and says why.
func TestRefusals(t *testing.T) {
	served(t, func(ctx context.Context, c remote.Client) {
		_, err := c.Change(ctx, remote.ChangeRequest{Name: "hone"})
		e := control.AsError(err)
		if e == nil || e.Code != control.CodeNotFound || !strings.Contains(e.Message, `did you mean "home"?`) {
			t.Errorf("got %v", err)
		}
	})
}

// TestStop: a client ends the lab, with an answer.
func TestStop(t *testing.T) {
	served(t, func(ctx context.Context, c remote.Client) {
		if lab, err := c.Stop(context.WithoutCancel(ctx)); err != nil || lab.Name != "homes" {
			t.Errorf("%+v, %v", lab, err)
		}
		<-ctx.Done()
	})
}
