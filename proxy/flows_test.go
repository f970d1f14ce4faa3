package proxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// TestForwardDatagrams: each sender has a conversation of its own, which ends when it is silent.
func TestForwardDatagrams(t *testing.T) {
	w := newWorld(t, func(l *limits) { l.idle = 2 * time.Second })
	s, err := w.far.ListenPacket("udp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	echoer(t, s, "far ")
	at := free(t, "udp")
	w.offer(Service{VNI: 7, Kind: Forward, Network: "udp", Listen: at, To: "far:53"})
	a, b := dial(t, "udp", at), dial(t, "udp", at)
	for _, size := range []int{0, 1, 1400, 20000} { // in fragments, too
		for i, c := range []net.Conn{a, b} {
			exchanges(t, c, "far ", bytes.Repeat([]byte{byte('a' + i)}, size))
		}
	}
	eventually(t, "both to be forgotten", func() bool { return w.Stats()[0].Open == 0 })
	exchanges(t, a, "far ", []byte("again"))
	if s := w.Stats()[0]; s.Total != 3 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// exchanges sends one datagram to an [echoer] and wants its answer.
func exchanges(t *testing.T, c net.Conn, word string, sent []byte) {
	t.Helper()
	buf := make([]byte, passSize)
	_, _ = c.Write(sent)
	n, err := c.Read(buf)
	if err != nil || !bytes.Equal(buf[:n], append([]byte(word), sent...)) {
		t.Errorf("%.40q answered %.40q, %v", sent, buf[:n], err)
	}
}

// TestPublishDatagrams: conversations from the segment, at most as many as may be.
func TestPublishDatagrams(t *testing.T) {
	w := newWorld(t, func(l *limits) { l.flows = 2 })
	s, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	echoer(t, s, "here ")
	w.offer(Service{VNI: 7, Kind: Publish, Network: "udp", Listen: ":53", To: s.LocalAddr().String()})
	for i, to := range []string{"10.0.0.1:53", "[fd00::1]:53", "10.0.0.1:53"} {
		c, err := w.far.DialContext(t.Context(), "udp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(patience))
		if i < 2 {
			exchanges(t, c, "here ", []byte("hi"))
			continue
		}
		_, _ = c.Write([]byte("one too many"))
		eventually(t, "a refusal", func() bool { return w.Stats()[0].Refused == 1 })
	}
	eventually(t, "bytes to be counted", func() bool {
		s := w.Stats()[0]
		return s.RxBytes == 2+2+12 && s.TxBytes == 14
	})
}

// TestAccept: one who comes to the device is waited for, by TCP and UDP, and no longer than ctx lasts.
func TestAccept(t *testing.T) {
	w := newWorld(t, nil)
	for _, network := range []string{"tcp", "udp"} {
		accepted := make(chan net.Conn, 1)
		go func() {
			c, err := w.Accept(t.Context(), 7, network, ":7000")
			if err != nil {
				t.Error(err)
			}
			accepted <- c
		}()
		var caller, c net.Conn
		eventually(t, "one who comes", func() bool {
			var err error
			if caller == nil {
				if caller, err = w.far.DialContext(t.Context(), network, "10.0.0.1:7000"); err != nil {
					return false
				}
			}
			_, _ = caller.Write([]byte("hi"))
			select {
			case c = <-accepted:
				return true
			default:
				return false
			}
		})
		buf := make([]byte, 2)
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "hi" {
			t.Errorf("%s: %q, %v", network, buf[:n], err)
		}
		_, _ = c.Write([]byte("yo"))
		_ = caller.SetDeadline(time.Now().Add(patience))
		if n, err := caller.Read(buf); err != nil || string(buf[:n]) != "yo" {
			t.Errorf("%s: answered %q, %v", network, buf[:n], err)
		}
		_, _ = caller.Close(), c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if _, err := w.Accept(ctx, 7, network, ":7001"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: nobody came: %v", network, err)
		}
		cancel()
		if _, err := w.Accept(t.Context(), 8, network, ":7001"); !errors.Is(err, ErrNoStack) {
			t.Errorf("%s: no stack: %v", network, err)
		}
	}
}
