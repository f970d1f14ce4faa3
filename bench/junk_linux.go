package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	// nobodyPort is where a socket takes datagrams that nobody reads: what they cost by themselves.
	nobodyPort = 9
	// junkLen is the length of a datagram of junk, and junkEvery how often a batch of them is sent.
	junkLen   = 100
	junkEvery = time.Millisecond
)

// besideJunk measures one TCP stream while the sending host floods the receiving one with junk: its tunnel's
// port or, for comparison, a socket that nobody reads. The flood takes the processors the same in both cases.
func besideJunk(toTunnel bool) func(*pair, time.Duration) (float64, float64, error) {
	return func(p *pair, length time.Duration) (value, bytes float64, err error) {
		port := nobodyPort
		if toTunnel {
			port = p.tunnel.port
		} else {
			nobody, err := p.to.listen(port)
			if err != nil {
				return 0, 0, err
			}
			defer nobody.Close()
		}
		f, err := newFlood(p.from, port, p.junk)
		if err != nil {
			return 0, 0, err
		}
		defer f.stop()
		return p.iperf(length, "-P 1")
	}
}

// listen opens a socket on the cable's side of a host.
func (h *host) listen(port int) (conn *net.UDPConn, err error) {
	err = h.ns.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(h.outer()), Port: port})
		return err
	})
	return conn, err
}

// A flood is junk on its way to a port of the other host, until it is stopped.
type flood struct {
	conn    *net.UDPConn
	stopped chan struct{}
	running sync.WaitGroup
}

// newFlood sends so many thousand datagrams of junk a second from a host to the other.
func newFlood(from *host, port, thousands int) (*flood, error) {
	f := &flood{stopped: make(chan struct{})}
	err := from.ns.Do(func() (err error) {
		f.conn, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.ParseIP(from.other()), Port: port})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the flood: %w", err)
	}
	f.running.Go(func() { f.run(thousands) })
	return f, nil
}

// run sends a batch every millisecond. Half of the datagrams begin as a tunnel's do that looks like VXLAN.
func (f *flood) run(batch int) {
	source := rand.NewChaCha8([32]byte{1})
	ms := make([]ipv4.Message, batch)
	for i := range ms {
		b := make([]byte, junkLen)
		source.Read(b)
		if i%2 == 0 {
			b[0] = 0x08
		}
		ms[i].Buffers = [][]byte{b}
	}
	conn, ticker := ipv4.NewPacketConn(f.conn), time.NewTicker(junkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-f.stopped:
			return
		case <-ticker.C:
		}
		for rest := ms; len(rest) > 0; {
			n, err := conn.WriteBatch(rest, 0)
			if err != nil || n == 0 {
				break // nobody listens there any more, or the queue is full: junk is not worth a second try
			}
			rest = rest[n:]
		}
	}
}

func (f *flood) stop() {
	close(f.stopped)
	f.running.Wait()
	f.conn.Close()
}
