package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	// smallPayload makes an Ethernet frame of 64 bytes: 14 + 20 + 8 + 18 + the 4 of its checksum.
	smallPayload = 18
	// burst is how many datagrams one system call sends or receives.
	burst = 64
)

// smallFrames sends as many of the smallest frames as one thread can and returns how many arrived,
// in thousands a second. The sender costs little per frame, so the endpoints are what is measured.
func smallFrames(p *pair, length time.Duration) (value, bytes float64, err error) {
	var in, out *net.UDPConn
	if err := p.to.ns.Do(func() (err error) {
		in, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(p.to.inner())})
		return err
	}); err != nil {
		return 0, 0, fmt.Errorf("open the receiver: %w", err)
	}
	defer in.Close()
	if err := p.from.ns.Do(func() (err error) {
		out, err = net.DialUDP("udp4", nil, in.LocalAddr().(*net.UDPAddr))
		return err
	}); err != nil {
		return 0, 0, fmt.Errorf("open the sender: %w", err)
	}
	defer out.Close()

	var received atomic.Int64
	receiver := make(chan error, 1)
	go func() { receiver <- receive(in, &received) }()
	start := time.Now()
	err = send(out, start.Add(length))
	n, elapsed := received.Load(), time.Since(start)
	in.Close()
	if err := errors.Join(err, <-receiver); err != nil {
		return 0, 0, err
	}
	if n == 0 {
		return 0, 0, errors.New("nothing arrived")
	}
	return float64(n) / elapsed.Seconds() / 1000, float64(n * smallPayload), nil
}

func messages() []ipv4.Message {
	ms := make([]ipv4.Message, burst)
	for i := range ms {
		ms[i].Buffers = [][]byte{make([]byte, smallPayload)}
	}
	return ms
}

// receive counts datagrams until the socket is closed.
func receive(c *net.UDPConn, received *atomic.Int64) error {
	conn, ms := ipv4.NewPacketConn(c), messages()
	for {
		n, err := conn.ReadBatch(ms, 0)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		received.Add(int64(n))
	}
}

// send floods until the time given. A queue that is full on the way is what a flood is for.
func send(c *net.UDPConn, until time.Time) error {
	conn, ms := ipv4.NewPacketConn(c), messages()
	if err := c.SetWriteDeadline(until); err != nil {
		return err
	}
	for time.Now().Before(until) {
		_, err := conn.WriteBatch(ms, 0)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("send: %w", err)
		}
	}
	return nil
}
