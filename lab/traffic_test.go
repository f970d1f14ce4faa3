//go:build linux && lab

package lab

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// ping sends three echo requests of a payload size and wants each to be answered. They are three
// commands, because one that has got an answer gives up on the others too soon.
func (h *host) ping(to string, size int, options ...string) {
	h.t.Helper()
	for range 3 {
		out, err := h.Run(fmt.Sprintf("ping -n -q -c 1 -W 5 -s %d %s %s", size,
			strings.Join(options, " "), to))
		if err != nil {
			h.t.Errorf("ping: %v\n%s", err, out)
			return
		}
	}
}

// canPing reports whether one echo request is answered within a second.
func (h *host) canPing(to string) error {
	_, err := h.Run("ping -n -q -c 1 -W 1 " + to)
	return err
}

// tcp sends bytes from one host to an address of another and compares what arrives.
func tcp(t testing.TB, from, to *host, addr string, size int) {
	t.Helper()
	if err := stream(from, to, addr, size); err != nil {
		t.Errorf("tcp %s -> %s: %v", from.Name(), addr, err)
	}
}

// stream is [tcp] for any goroutine.
func stream(from, to *host, addr string, size int) error {
	var l net.Listener
	if err := to.Do(func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(addr, "0"))
		return err
	}); err != nil {
		return err
	}
	defer l.Close()
	arrived := make(chan sum, 1)
	go func() { arrived <- receive(l) }()
	sent := send(from, l.Addr().String(), size)
	if sent.err != nil {
		l.Close() // nobody will come
	}
	got := <-arrived
	if err := errors.Join(sent.err, got.err); err != nil {
		return fmt.Errorf("%d of %d bytes arrived: %w", got.n, size, err)
	}
	if got.n != size || got.hash != sent.hash {
		return fmt.Errorf("%d of %d bytes arrived, as they were sent: %v", got.n, size,
			got.hash == sent.hash)
	}
	return nil
}

// sum is what one end of a stream saw.
type sum struct {
	n    int
	hash [sha256.Size]byte
	err  error
}

func receive(l net.Listener) (s sum) {
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	c, err := l.Accept()
	if err != nil {
		return sum{err: err}
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	hash := sha256.New()
	n, err := io.Copy(hash, c)
	return sum{n: int(n), hash: [sha256.Size]byte(hash.Sum(nil)), err: err}
}

func send(from *host, addr string, size int) (s sum) {
	var c net.Conn
	err := from.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", addr, patience)
		return err
	})
	if err != nil {
		return sum{err: err}
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	hash := sha256.New()
	data := io.LimitReader(rand.NewChaCha8([32]byte{1}), int64(size))
	n, err := io.CopyBuffer(io.MultiWriter(hash, c), data, make([]byte, 64<<10))
	return sum{n: int(n), hash: [sha256.Size]byte(hash.Sum(nil)), err: err}
}

// udp sends datagrams of one size to an address of another host and wants every one to arrive as
// it was.
func udp(t testing.TB, from, to *host, addr string, size int) {
	t.Helper()
	const count = 20
	var server *net.UDPConn
	need(t, to.Do(func() (err error) {
		server, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(addr)})
		return err
	}))
	defer server.Close()
	var client net.Conn
	need(t, from.Do(func() (err error) {
		client, err = net.Dial("udp", server.LocalAddr().String())
		return err
	}))
	defer client.Close()
	need(t, server.SetReadDeadline(time.Now().Add(patience)))
	got := make([]byte, 1<<16)
	for i := range count {
		want := bytes.Repeat([]byte{byte(i)}, size)
		_, err := client.Write(want)
		need(t, err)
		n, err := server.Read(got)
		if err != nil || !bytes.Equal(got[:n], want) {
			t.Errorf("udp %s -> %s: datagram %d: %d bytes (%v), want %d", from.Name(), addr, i, n,
				err, size)
			return
		}
	}
}
