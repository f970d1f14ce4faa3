package tour

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"go.uber.org/goleak"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The stacks of the hosts wait in a way that testing/synctest does not know, so time is real here.

// told is what the demo says.
func told(t *testing.T, o Options) string {
	t.Helper()
	var out strings.Builder
	if err := Tell(t.Context(), &out, o); err != nil {
		t.Error(err)
	}
	return out.String()
}

// TestTell: a ping goes through the relay first and then directly, and every step is explained.
func TestTell(t *testing.T) {
	t.Parallel()
	text := told(t, Options{Seed: 1, Every: 100 * time.Millisecond, Count: 45})
	inOrder(t, text,
		`▶ host1 reaches host2 through the relay`,
		`▶ host1 pings 10\.77\.0\.2`,
		`host1 sends +ARP request: who has 10\.77\.0\.2\? tell 10\.77\.0\.1`,
		`host1 → relay +sealed twice: ICMP echo request, 10\.77\.0\.1 → 10\.77\.0\.2\n`+
			` +UDP 192\.168\.1\.10:42420 → 192\.0\.2\.1:42420, 171 bytes`,
		`relay → host2 +sealed twice: ICMP echo request`,
		`host2 sends +ICMP echo reply`,
		`ping \d+: answered after .* ms, through relay`,
		`▶ host1 reaches host2 DIRECTLY now, at 198\.51\.100\.2:42420`,
		`host1 → host2 +sealed: ICMP echo request, 10\.77\.0\.1 → 10\.77\.0\.2\n`+
			`.*, 130 bytes\n +home1's NAT makes it .*\n +home2's NAT makes it .*\n`+
			` +│ VXLAN 08 [0-9a-f]{6} 00004d [0-9a-f]{2}: VNI 77`,
		`ping \d+: answered after .* ms, directly by 198\.51\.100\.2:42420`,
		`\nWhat happened\n  relayed +from 0\.\d s to \d\.\d s: \d+ pings, .* ms to .* ms\n`+
			`  direct +from \d\.\d s on: \d+ pings`,
		`home1's NAT made 198\.51\.100\.1:42420 of 192\.168\.1\.10:42420`,
	)
	for _, want := range []string{
		`host1 → relay +handshake, message 1 of 2\n +UDP 192\.168\.1\.10:42420 → 192\.0\.2\.1:42420, \d+ bytes\n` +
			` +home1's NAT makes it 198\.51\.100\.1:42420 → 192\.0\.2\.1:42420`,
		`relay → host1 +handshake, message 2 of 2`,
		`STUN question: `,
		`handshake by way of the relay`,
		`call: here I may be found`,
		`opener: .*\n.*\n +home\d's NAT makes it .*\n +its TTL ends on the way, as it should`,
		`ping of this path: .*\n.*\n.*\n +✗ lost on the way`,
		`probe of how large`,
	} {
		inOrder(t, text, want)
	}
	for _, l := range strings.Split(text, "\n") {
		if n := len([]rune(l)); n > 110 && !strings.HasPrefix(l, "  not shown") {
			t.Errorf("a line of %d characters: %s", n, l)
		}
	}
}

// inOrder wants what the patterns match to stand in the text, one behind the other.
func inOrder(t *testing.T, text string, patterns ...string) {
	t.Helper()
	rest := text
	for _, p := range patterns {
		found := regexp.MustCompile(p).FindStringIndex(rest)
		if found == nil {
			t.Fatalf("not there, or not in its place: %s\n%s", p, text)
		}
		rest = rest[found[0]:]
	}
}

// TestTellAll: with All everything is shown, and nothing is counted as left out.
func TestTellAll(t *testing.T) {
	t.Parallel()
	text := told(t, Options{Seed: 2, All: true, Count: 1})
	if !strings.Contains(text, "neighbour solicitation") || strings.Contains(text, "not shown") {
		t.Error(text)
	}
}

// TestEqualSeeds: what is drawn by chance is the same, the keys at least.
func TestEqualSeeds(t *testing.T) {
	a, b := Plan(1, nil), Plan(1, nil)
	if fmt.Sprint(a) != fmt.Sprint(b) || a.Seed == Plan(2, nil).Seed {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// TestPcap reads back what was recorded: frames of both hosts, and a sealed datagram on both sides of a
// NAT.
func TestPcap(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	told(t, Options{Seed: 1, Count: 1, Pcap: &file})
	r, err := pcapgo.NewNgReader(&file, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	comments := make(map[string]string) // of each interface
	for {
		_, ci, o, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		face, err := r.Interface(ci.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		comments[face.Name] += strings.Join(o.Comments, " ") + "\n"
	}
	for face, want := range map[string]string{
		"host1": "ICMP echo request", "host2": "ICMP echo reply", "home1 LAN": "sealed twice: ICMP echo request",
		"home2 LAN": "handshake, message 1", "internet": "sealed twice: ICMP echo reply",
	} {
		if !strings.Contains(comments[face], want) {
			t.Errorf("%s: no %q in\n%s", face, want, comments[face])
		}
	}
}

// A brokenPipe takes so many bytes.
type brokenPipe struct{ left int }

var errPipe = errors.New("broken pipe")

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errPipe
	}
	return len(p), nil
}

// TestReaderLeaves: the demo ends when nobody reads it any more, or its record.
func TestReaderLeaves(t *testing.T) {
	t.Parallel()
	if err := Tell(t.Context(), &brokenPipe{2000}, Options{}); !errors.Is(err, errPipe) {
		t.Errorf("ended with %v", err)
	}
	if err := Tell(t.Context(), io.Discard, Options{Pcap: &brokenPipe{2000}}); !errors.Is(err, errPipe) {
		t.Errorf("ended with %v", err)
	}
}

// TestInterrupted: ctrl-c ends it at once, at any time.
func TestInterrupted(t *testing.T) {
	for _, after := range []time.Duration{0, 100 * time.Millisecond, time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			began := time.Now()
			if err := Tell(ctx, io.Discard, Options{}); err != nil {
				t.Error(err)
			}
			if took := time.Since(began) - after; took > 2*time.Second {
				t.Errorf("ended %v after it was told to", took)
			}
		})
	}
}

// TestShow: a client of the first host sees the second relayed, and then directly.
func TestShow(t *testing.T) {
	t.Parallel()
	err := Show(t.Context(), Options{Seed: 3}, func(ctx context.Context, c control.Client) error {
		seen, err := statesOf(ctx, c, Host2)
		if !slices.ContainsFunc(seen, control.PeerState.Relayed) {
			t.Errorf("states %v", seen)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// statesOf gives the states of a peer until it is reached directly.
func statesOf(ctx context.Context, c control.Client, peer string) (seen []control.PeerState, err error) {
	for e, err := range c.Events(ctx) {
		if err != nil {
			return seen, err
		}
		if e.Type != control.EventPeerState || e.Peer.Name != peer {
			continue
		}
		if seen = append(seen, e.Peer.State); e.Peer.State == control.PeerDirect {
			break
		}
	}
	return seen, nil
}
