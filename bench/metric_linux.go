package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// A metric is one thing that is measured of a pair.
type metric struct {
	Name string
	Unit string

	// withCPU also records the processor time that the measurement cost.
	withCPU bool
	// toStack and fromStack say that it can be measured where that end has a stack of its own.
	toStack, fromStack bool
	// junk says that it is measured beside a flood of junk, and only where that is wanted.
	junk bool
	// onWire makes the figure the share of the payload in the bytes of the cable's packets.
	onWire bool
	// measure returns the figure and the payload bytes that arrived.
	measure func(p *pair, length time.Duration) (value, bytes float64, err error)
}

var metrics = []metric{
	{
		Name: "TCP, one stream", Unit: "Gbit/s", toStack: true, fromStack: true, withCPU: true,
		measure: tcp(1),
	},
	{Name: "TCP, four streams", Unit: "Gbit/s", toStack: true, fromStack: true, measure: tcp(4)},
	{Name: "UDP, 1300 bytes", Unit: "Gbit/s", measure: udp},
	{Name: "frames of 64 bytes", Unit: "kpps", measure: smallFrames},
	{Name: "ping", Unit: "µs", toStack: true, measure: ping},
	{Name: "TCP payload in the cable's bytes", Unit: "%", onWire: true, measure: steadyTCP},
	{Name: "TCP beside junk to nobody", Unit: "Gbit/s", junk: true, measure: besideJunk(false)},
	{Name: "TCP beside junk to the tunnel", Unit: "Gbit/s", junk: true, measure: besideJunk(true)},
}

// fits reports whether the metric can be measured of a pair.
func (m *metric) fits(p *pair) bool {
	return (m.fromStack || !p.from.stack) && (m.toStack || !p.to.stack) && (!m.junk || p.tunnel.port != 0)
}

// cpuPerGB is derived from the metrics that have withCPU. It is of the endpoints' programs on both
// hosts; what the kernel does by itself is not in it.
var cpuPerGB = metric{Name: "CPU of the endpoints' programs", Unit: "s/GB"}

func tcp(streams int) func(*pair, time.Duration) (float64, float64, error) {
	return func(p *pair, length time.Duration) (float64, float64, error) {
		return p.iperf(length, "-P "+strconv.Itoa(streams))
	}
}

func udp(p *pair, length time.Duration) (float64, float64, error) {
	return p.iperf(length, "-u -b 0 -l 1300")
}

// steadyTCP sends bursts of 128 KB at a rate that every tunnel can carry, so that nothing is lost
// or left in a queue at the end that the payload would lack.
func steadyTCP(p *pair, length time.Duration) (float64, float64, error) {
	return p.iperf(length, "-P 1 -b 50M -l 128K")
}

// patience is what a measurement may take beyond its length before something is wrong.
const patience = 10 * time.Second

// iperf measures what the far end received, in Gbit/s. Each measurement has a server of its own:
// one that still cleans up after the last client would turn the next away.
func (p *pair) iperf(length time.Duration, args string) (value, bytes float64, err error) {
	server, err := p.to.ns.Start(netns.StartOptions{
		Args: []string{"iperf3", "-s", "-1", "--forceflush"},
	})
	if err != nil {
		return 0, 0, err
	}
	defer server.Kill()
	err = netns.Eventually(patience, func() error {
		if !strings.Contains(server.Output(), "listening") {
			return fmt.Errorf("iperf3 does not listen: %s", server.Output())
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	at := p.to.inner()
	if p.from.stack {
		at = fmt.Sprintf("127.0.0.1 -p %d", forwardPort)
	}
	line := fmt.Sprintf("iperf3 -J -c %s -t %.0f %s", at, length.Seconds(), args)
	client, err := p.from.ns.Start(netns.StartOptions{Args: strings.Fields(line)})
	if err != nil {
		return 0, 0, err
	}
	defer client.Kill()
	if _, err := client.Wait(length + patience); err != nil {
		return 0, 0, fmt.Errorf("%w\n%s", err, p.state())
	}
	return received(client.Output())
}

// received reads what iperf3 -J wrote.
func received(text string) (value, bytes float64, err error) {
	var result struct {
		Error string `json:"error"`
		End   struct {
			Received struct {
				Bytes float64 `json:"bytes"`
				Bits  float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		return 0, 0, fmt.Errorf("read what iperf3 wrote: %w: %q", err, text)
	}
	if result.Error != "" {
		return 0, 0, errors.New("iperf3: " + result.Error)
	}
	r := result.End.Received
	if r.Bytes == 0 {
		return 0, 0, errors.New("iperf3: nothing arrived")
	}
	return r.Bits / 1e9, r.Bytes, nil
}

// state shows why a stream hangs: an endpoint that has ended, or the sockets.
func (p *pair) state() string {
	var text strings.Builder
	for _, h := range []*host{p.from, p.to} {
		if h.ended() {
			fmt.Fprintf(&text, "a program on host %d has ended:%s\n", h.n, h.log())
			continue
		}
		out, err := h.ns.Run("ss -tinm")
		fmt.Fprintf(&text, "sockets of host %d: %s\n", h.n, out)
		if err != nil {
			fmt.Fprintln(&text, err)
		}
	}
	return text.String()
}

// pings is enough for a steady median at a millisecond each.
const pings = 1000

// ping is the median time of echo requests that go out a millisecond apart.
func ping(p *pair, _ time.Duration) (value, bytes float64, err error) {
	out, err := p.from.ns.Run(fmt.Sprintf("ping -n -c %d -i 0.001 -W 1 %s", pings, p.to.inner()))
	if err != nil {
		return 0, 0, err
	}
	var times []float64
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		_, rest, found := strings.Cut(lines.Text(), "time=")
		if !found {
			continue
		}
		ms, err := strconv.ParseFloat(strings.TrimSuffix(rest, " ms"), 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read %q of ping: %w", rest, err)
		}
		times = append(times, ms*1000)
	}
	if len(times) < pings*9/10 {
		return 0, 0, fmt.Errorf("only %d of %d pings were answered", len(times), pings)
	}
	slices.Sort(times)
	return times[len(times)/2], 0, nil
}
