package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

const listens = "udp [::]:" + port

// status is what [control.Backend] wants.
func (n *Network) status() (st control.Status) {
	n.locked(func() {
		st = control.Status{
			Network: network, State: control.StateUp, Version: version, PID: 4711,
			Node:          control.Node{Name: self, ID: n.selfID()},
			Listen:        control.List[string]{listens},
			UptimeSeconds: rounded((n.wall().Sub(n.start) + uptime).Seconds(), 1e3),
			Config:        control.ConfigStatus{File: file, LoadedAt: n.loaded, ReloadSuccessful: true},
			Peers:         n.peerList(), Warnings: n.warnings(),
		}
		seg := control.SegmentStatus{VNI: vni, State: control.StateUp, FDBEntries: len(n.entries)}
		seg.Device = control.Device{
			Name: device, Kind: "tap", State: "up", MTU: 1380, MAC: ownMAC, Bridge: "br0",
		}
		if !n.during(addressGone) {
			seg.Device.Addresses = control.List[string]{ownAddress}
		} else {
			seg.State = control.StateDegraded
		}
		st.Segments = append(st.Segments, seg)
		if len(st.Warnings) > 0 {
			st.State = control.StateDegraded
		}
	})
	return st
}

// A span is some steps of each round of the network's troubles.
type span struct{ from, to int }

// round is how many steps the troubles take until they begin again.
const round = 900

var (
	addressGone = span{75, 150}
	nameGone    = span{190, 222}
	twin        = span{400, 520}
)

// during reports whether it is such a time. The past has seen no trouble.
func (n *Network) during(s span) bool {
	_, rest := divide(n.step, round)
	return n.step > 0 && rest >= s.from && rest < s.to
}

// warnings are what is not as it should be.
func (n *Network) warnings() (out control.List[control.Warning]) {
	if n.during(addressGone) {
		out = append(out, control.Warning{
			Code:    "address_missing",
			Message: fmt.Sprintf("vni %d: somebody removed %s from %s", vni, ownAddress, device),
			Fix:     fmt.Sprintf("ip addr add %s dev %s", ownAddress, device),
		})
	}
	if p, err := n.find("office"); err == nil && n.during(nameGone) {
		out = append(out, control.Warning{
			Code:    "name_unresolved",
			Message: fmt.Sprintf("peer %s: lookup office.example.net: no such host", p.name),
			Fix:     "mend its endpoints, or the name server: getent hosts NAME",
		})
	}
	if p, err := n.find("pi-attic"); err == nil && n.during(twin) {
		out = append(out, twinWarning(p))
	}
	return out
}

// twinAt is where a machine is that was restored from another's backup.
const twinAt = "198.51.100.41:42420"

func twinWarning(p *peer) control.Warning {
	return control.Warning{
		Code: "duplicate_identity",
		Message: fmt.Sprintf("two machines use the key of %s: %s and %s; one was copied from the other",
			p.name, p.ways[0].addr, twinAt),
		Fix: "on one of them: stop it, move its identity file away, and give its new key to its peers",
	}
}

// A saying is a record of the log that a node writes now and then.
type saying struct {
	from, every int // steps
	level       slog.Level
	msg         string
	attrs       []any
}

var sayings = []saying{
	{-3300, 1 << 20, slog.LevelInfo, "certificate renewed", []any{"member", "nas"}},
	{-2950, 1 << 20, slog.LevelInfo, "certificate renewed", []any{"member", "pi-attic"}},
	{-1900, 1400, slog.LevelInfo, "this machine's network changed", []any{"how", "addresses"}},
	{-2400, 1130, slog.LevelDebug, "item not taken", []any{"kind", 3, "err", "it is older than what is known"}},
	{-2140, 610, slog.LevelDebug, "no port mapping", []any{"gateway", "192.168.1.1", "err", "upnp: no answer"}},
}

// remark writes what a node writes to its log by the way.
func (n *Network) remark() {
	for i := range sayings {
		s := &sayings[i]
		if _, rest := divide(n.step-s.from, s.every); rest == 0 && n.step >= s.from {
			n.note(s.level, s.msg, s.attrs...)
		}
	}
	if at := n.noise(saltOf("scan"), n.step); at < 0.004 {
		from := fmt.Sprintf("203.0.113.%d:%d", 100+int(at*1e7)%100, 20000+int(at*1e8)%40000)
		n.note(slog.LevelDebug, "handshake of a key that is no peer's", "from", from)
	}
	_, rest := divide(n.step, round)
	if n.step <= 0 {
		return
	}
	switch rest {
	case addressGone.from:
		n.note(slog.LevelWarn, "address was removed by somebody else and stays away", "vni", vni, "device", device,
			"address", ownAddress)
	case twin.from:
		if p, err := n.find("pi-attic"); err == nil {
			n.note(slog.LevelWarn, "two machines use the key of a peer", "peer", p.name, "at", p.ways[0].addr, "and", twinAt)
			w := twinWarning(p)
			n.tell(control.Event{Type: control.EventWarning, Warning: &w})
		}
	}
}

// reload is what [control.Backend] wants. The file is as it was.
func (n *Network) reload(context.Context) (control.ReloadResult, error) {
	r := control.ReloadResult{Schema: control.SchemaReload, Network: network}
	n.locked(func() {
		n.loaded = n.wall()
		n.note(slog.LevelInfo, "reloaded", "file", file, "changes", 0)
		n.tell(control.Event{Type: control.EventReload, Reload: &r})
	})
	return r, nil
}

// capture is what [control.Backend] wants. There are no packets: nothing is written.
func (n *Network) capture(ctx context.Context, _ io.Writer, o control.CaptureOptions) error {
	if o.VNI != 0 && o.VNI != vni {
		return noSegment(o.VNI)
	}
	<-ctx.Done()
	return nil
}

// panicked tells of a panic of a request. It is nobody's network: there is no report.
func panicked(v any) string { return fmt.Sprintf("panic: %v", v) }

func noSegment(v uint32) error {
	return control.Errorf(control.CodeNotFound, "there is no segment with vni %d", v)
}
