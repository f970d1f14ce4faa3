//go:build linux && lab

// Two nodes with each other's keys, and what they say about each other.
//
//	A vxm0 10.0.0.1, fd42::1                              B vxm0 10.0.0.2, fd42::2
//	  [u0] 192.0.2.1, 2001:db8::1 ===== sealed ===== 192.0.2.2, 2001:db8::2 [u0]

package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSealedPair: everything crosses at the LAN's own MTU, and nothing of it shows on the wire.
func TestSealedPair(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			a, b := joinSealedPair(t, f)
			if mtu := b.mtu("vxm0"); mtu != 1500 {
				t.Errorf("MTU %d of a sealed segment's device, want 1500", mtu)
			}
			secret := []byte("nobody but B may read this")
			wire := b.sniff("u0", func(p packet) bool { return bytes.Contains(p.Data, secret) })
			inside := b.sniff("vxm0", received(senderMAC))
			need(t, a.sender("vxm0").Send(eth(broadcast, senderMAC, 0x88b5, secret)))
			_, err := inside.Wait(1, patience)
			need(t, err)
			exchange(t, a.host, b.host)
			if n := wire.Count(); n != 0 {
				t.Errorf("%d packets on the underlay hold the frame as it was", n)
			}
			p := a.waitPeer("b", "direct", "")
			if want := "udp" + f.String()[1:]; p.Path == nil || p.Path.Kind != want ||
				p.Path.Remote != meshAt(f, 2) {
				t.Errorf("path %+v, want %s to %s", p.Path, want, meshAt(f, 2))
			}
		})
	}
}

// TestOneEndpoint: it is enough that one of two knows where the other is.
func TestOneEndpoint(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			a, b := newSealedPair(t, f)
			b.peers[0].endpoints = nil
			b.rewrite()
			b.start()
			b.waitUp()
			b.waitPeer("a", "down", "no_endpoint")
			expectWords(t, b.mustCtl("why", "a"), "a is down", "it has to call this node")
			joinAll(a)
			b.waitPeer("a", "direct", "")
			b.ping("10.0.0.1", 56)
			a.ping("10.0.0.2", 1472, "-M do")
		})
	}
}

// TestEndpointByName: the name is looked up in A's own hosts file, where it appears only later.
func TestEndpointByName(t *testing.T) {
	t.Parallel()
	a, b := newSealedPair(t, v4)
	hosts := filepath.Join(t.TempDir(), "hosts")
	need(t, os.WriteFile(hosts, []byte("127.0.0.1 localhost\n"), 0o644))
	a.wrap = []string{
		"unshare", "-m", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts,
	}
	a.noLAN, b.noLAN = true, true
	a.peers[0].endpoints = []string{fmt.Sprintf("b.lab.invalid:%d", meshPort)}
	a.rewrite()
	b.peers[0].endpoints = nil
	b.rewrite()
	b.start()
	a.start()
	a.waitUp()
	a.waitPeer("b", "down", "name_unresolved")
	expectWords(t, a.mustCtl("why", "b"), "do not resolve", "b.lab.invalid")
	expectWords(t, a.mustCtl("status"), "b.lab.invalid")
	need(t, os.WriteFile(hosts, []byte("192.0.2.2 b.lab.invalid\n"), 0o644))
	a.waitPeer("b", "direct", "")
	a.ping("10.0.0.2", 56)
}

// TestPeerCommands: what the commands about peers print, for people and for programs.
func TestPeerCommands(t *testing.T) {
	t.Parallel()
	a, b := joinSealedPair(t, v4)
	a.ping("10.0.0.2", 56)
	at := meshAt(v4, 2)

	expectWords(t, a.mustCtl("peers"), "PEER", "REMOTE", "b", "direct", "udp4", at)
	expectWords(t, a.mustCtl("status"), "b", "direct", at, "vxm0")
	expectWords(t, a.mustCtl("why", "b"), "b is reached directly at "+at, "sees this node at "+
		meshAt(v4, 1), "in use")
	expectWords(t, a.mustCtl("ping", "b", "-c", "3", "-i", "20ms"), "b ("+at+"): echo 3",
		"3 echoes sent, 3 came back, 0% lost", "round trip min/avg/max")
	expectWords(t, a.mustCtl("ping", "b", "-c", "1", "-s", "1500"), "1 came back")
	entry := a.expectEntry(b.mac("vxm0"), "b")
	if want := "100 0 " + b.mac("vxm0") + " peer b learned"; entry.String() != want {
		t.Errorf("entry %q, want %q", entry, want)
	}
	expectWords(t, a.mustCtl("fdb", "show"), b.mac("vxm0"), "b")

	p := a.waitPeer("b", "direct", "")
	if !slices.Contains([]string{"aegis-256x2", "aes-256-gcm", "chacha20-poly1305"}, p.Cipher) || len(p.ID) != 64 ||
		p.RxFrames == 0 || p.TxFrames == 0 || p.Path == nil || p.Path.RTT <= 0 {
		t.Errorf("peer %+v", p)
	}
	if s := a.status(); len(s.Peers) != 1 || s.Peers[0].ID != p.ID || len(s.Warnings) != 0 {
		t.Errorf("status %+v", s)
	}
	expectJSON(t, a, "vxmesh.ping_summary/1", map[string]any{"received": 2.0, "remote": at},
		"ping", "b", "-c", "2", "-i", "20ms")
	expectJSON(t, a, "vxmesh.why/1", map[string]any{"fixes": []any{}}, "why", "b")
	expectJSON(t, a, "vxmesh.peers/1", nil, "peers")

	for _, command := range []string{"why", "ping"} {
		out, err := a.ctl(command, "bb")
		if err == nil || !strings.Contains(err.Error(), "exit status 6") {
			t.Errorf("%s of nobody: %v, want exit code 6", command, err)
			continue
		}
		expectWords(t, out+err.Error(), "bb", `did you mean "b"`)
	}
}

// expectJSON wants a command's JSON to have a schema and these values.
func expectJSON(t *testing.T, n *node, schema string, want map[string]any, args ...string) {
	t.Helper()
	var got map[string]any
	need(t, n.tryJSON(&got, args...))
	if got["schema"] != schema {
		t.Errorf("%v: schema %v, want %s", args, got["schema"], schema)
	}
	for k, v := range want {
		if text(got[k]) != text(v) {
			t.Errorf("%v: %s is %s, want %s", args, k, text(got[k]), text(v))
		}
	}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestStaticPeerEntry: a station that is said to be behind a peer is reached without flooding, and
// cannot turn up elsewhere.
func TestStaticPeerEntry(t *testing.T) {
	t.Parallel()
	const station = "02:00:00:00:0e:0f"
	a, b := newSealedPair(t, v4)
	a.segments[0].static = []string{fmt.Sprintf(`{ mac = %q, peer = "b" }`, station)}
	a.rewrite()
	joinAll(a, b)
	if e := a.expectEntry(station, "b"); e.Kind != "static" {
		t.Errorf("entry %v, want a static one", e)
	}
	seen := b.sniff("vxm0", received(senderMAC))
	need(t, a.sender("vxm0").Send(eth(station, senderMAC, 0x88b5, []byte("to the station"))))
	_, err := seen.Wait(1, patience)
	need(t, err)

	a.mustCtl("fdb", "add", "02:00:00:00:0e:10", "b")
	a.expectEntry("02:00:00:00:0e:10", "b")
	a.mustCtl("fdb", "add", "02:00:00:00:0e:11", "device")
	need(t, b.sender("vxm0").Send(hello("02:00:00:00:0e:11"))) // says it is behind B
	a.waitDrops("static_conflict", 1)
	a.mustCtl("fdb", "del", "02:00:00:00:0e:10", "b")
	a.expectEntry("02:00:00:00:0e:10", "")
}
