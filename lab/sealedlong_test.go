//go:build linux && lablong

// What takes as long as keys live, and so is run by `make lab-long` only.
//
//	A vxm0 10.0.0.1 [u0] 192.0.2.1 ====== sealed ====== 192.0.2.2 [u0] B vxm0 10.0.0.2

package lab

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRekeyUnderLoad: new keys are agreed on twice while streams run both ways, and the streams
// show nothing of it: no more segments are sent again than before.
func TestRekeyUnderLoad(t *testing.T) {
	t.Parallel()
	a, b := joinSealedPair(t, v4)
	m := newMeter(t, a.host, b.host, "10.0.0.2")
	first := a.handshakes()
	worst, stall, begin := 0, time.Duration(0), time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := a.retransmitted()
	for now := range tick.C {
		again := a.retransmitted() - last
		last += again
		worst = max(worst, again)
		if now.Sub(begin) > 260*time.Second {
			break
		}
		stall = max(stall, m.flow(1))
	}
	if n := a.handshakes() - first; n < 2 {
		t.Errorf("%d handshakes in 260 s, want at least 2", n)
	}
	t.Logf("at most %d segments were sent again in any second, and nothing came for %v", worst, stall)
	if stall > time.Second {
		t.Errorf("nothing came for %v", stall)
	}
	if worst > 100 {
		t.Errorf("%d segments were sent again within a second", worst)
	}
}

// handshakes is how many handshakes with peers came to an agreement.
func (n *node) handshakes() (sum int) {
	n.t.Helper()
	var s struct {
		Peers []struct {
			Handshakes int `json:"handshakes"`
		} `json:"peers"`
	}
	need(n.t, n.tryJSON(&s, "stats"))
	for _, p := range s.Peers {
		sum += p.Handshakes
	}
	return sum
}

// retransmitted is how many TCP segments the host has sent again.
func (h *host) retransmitted() int {
	h.t.Helper()
	text, err := h.ReadFile("/proc/net/snmp")
	need(h.t, err)
	n, err := strconv.Atoi(strings.TrimSpace(snmp(text, "Tcp:", "RetransSegs")))
	need(h.t, err)
	return n
}

// TestSuspendedNode: B sleeps longer than keys live, with traffic for it all the time, and is back
// soon after it wakes.
func TestSuspendedNode(t *testing.T) {
	t.Parallel()
	a, b := joinSealedPair(t, v4)
	ab, ba := a.beat(b.host, "10.0.0.2"), b.beat(a.host, "10.0.0.1")
	ab.steady()
	ba.steady()
	need(t, b.proc.Signal(syscall.SIGSTOP))
	a.waitPeer("b", "down", "no_answer")
	<-time.After(200 * time.Second)
	need(t, b.proc.Signal(syscall.SIGCONT))
	start := time.Now()
	ab.within(start, 3*time.Second)
	ba.within(start, 3*time.Second)
	tcp(t, a.host, b.host, "10.0.0.2", 4<<20)
}
