package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/tundevtest"
)

// TestForward: each host of the segment is reached, by address and name, and both directions end by
// themselves.
func TestForward(t *testing.T) {
	w := newWorld(t, nil)
	answerer(t, listen(t, w.far, ":80"), "far ")
	for _, to := range []string{"10.0.0.2:80", "[fd00::2]:80", "far:80"} {
		at := free(t, "tcp")
		w.offer(Service{VNI: 7, Kind: Forward, Network: "tcp", Listen: at, To: to})
		asks(t, dial(t, "tcp", at), "far ", 4<<20)
		asks(t, dial(t, "tcp", at), "far ", 0)
	}
	eventually(t, "what flows to be counted", func() bool {
		s := w.Stats()[0]
		return s.Open == 0 && s.Total == 2 && s.TxBytes == 4<<20 && s.RxBytes == 4<<20+8
	})
}

// TestPublish: who comes to the device's port is served by this machine.
func TestPublish(t *testing.T) {
	w := newWorld(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answerer(t, l, "here ")
	w.offer(Service{VNI: 7, Kind: Publish, Network: "tcp", Listen: ":22", To: l.Addr().String()})
	for _, to := range []string{"10.0.0.1:22", "[fd00::1]:22"} {
		c, err := w.far.DialContext(t.Context(), "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		asks(t, c, "here ", 1<<20)
	}
	eventually(t, "what flows to be counted", func() bool {
		s := w.Stats()[0]
		return s.Open == 0 && s.Total == 2 && s.RxBytes == 2<<20 && s.TxBytes == 2<<20+10
	})
}

// TestManyConnections: a hundred at once, each with its own.
func TestManyConnections(t *testing.T) {
	w := newWorld(t, nil)
	answerer(t, listen(t, w.far, ":80"), "far ")
	at := free(t, "tcp")
	w.offer(Service{VNI: 7, Kind: Forward, Network: "tcp", Listen: at, To: "10.0.0.2:80"})
	var all sync.WaitGroup
	for i := range 100 {
		c := dial(t, "tcp", at)
		all.Go(func() { asks(t, c, "far ", 16*i) })
	}
	all.Wait()
}

// TestTooManyConnections: those beyond the limit are turned away, and those within it go on.
func TestTooManyConnections(t *testing.T) {
	w := newWorld(t, func(l *limits) { l.conns = 2 })
	answerer(t, listen(t, w.far, ":80"), "far ")
	at := free(t, "tcp")
	w.offer(Service{VNI: 7, Kind: Forward, Network: "tcp", Listen: at, To: "10.0.0.2:80"})
	first, second := dial(t, "tcp", at), dial(t, "tcp", at)
	eventually(t, "two connections", func() bool { return w.Stats()[0].Open == 2 })
	if n, err := dial(t, "tcp", at).Read(make([]byte, 1)); err == nil {
		t.Errorf("the third was given %d bytes", n)
	}
	asks(t, first, "far ", 160)
	asks(t, second, "far ", 160)
	if s := w.Stats()[0]; s.Refused != 1 || s.Total != 2 {
		t.Errorf("%+v", s)
	}
}

// TestNobodyThere: a connection that leads nowhere ends, and is counted.
func TestNobodyThere(t *testing.T) {
	w := newWorld(t, func(l *limits) { l.dial = 50 * time.Millisecond })
	var list []Service
	for _, to := range []string{"10.0.0.2:81", "10.0.0.9:80", "nobody:80", "192.0.2.1:80"} {
		list = append(list, Service{VNI: 7, Kind: Forward, Network: "tcp", Listen: free(t, "tcp"), To: to})
	}
	list = append(list, Service{VNI: 8, Kind: Forward, Network: "tcp", Listen: free(t, "tcp"), To: "10.0.0.2:80"})
	w.offer(list...)
	for i, s := range list {
		if n, err := dial(t, "tcp", s.Listen).Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: %d bytes", s.To, n)
		}
		eventually(t, "a failure to be counted", func() bool { return w.Stats()[i].Failed == 1 })
	}
}

// TestPrepareIsWhole: a list of which one cannot be had changes nothing.
func TestPrepareIsWhole(t *testing.T) {
	w := newWorld(t, nil)
	answerer(t, listen(t, w.far, ":80"), "far ")
	answerer(t, listen(t, w.near, ":22"), "near ") // somebody else has the port
	old, fresh := free(t, "tcp"), free(t, "tcp")
	kept := Service{VNI: 7, Kind: Forward, Network: "tcp", Listen: old, To: "10.0.0.2:80"}
	w.offer(kept)
	_, err := w.Prepare([]Service{
		{VNI: 7, Kind: Forward, Network: "tcp", Listen: fresh, To: "10.0.0.2:80"},
		{VNI: 7, Kind: Publish, Network: "tcp", Listen: ":22", To: "127.0.0.1:22"},
	})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "tcp port 22 of the device") {
		t.Errorf("a port that is taken: %v", err)
	}
	if c, err := net.Dial("tcp", fresh); err == nil {
		_ = c.Close()
		t.Error("what was opened is open still")
	}
	asks(t, dial(t, "tcp", old), "far ", 160)
	c, err := w.Prepare([]Service{{VNI: 7, Kind: Forward, Network: "tcp", Listen: fresh, To: "10.0.0.2:80"}})
	if err != nil {
		t.Fatal(err)
	}
	c.Abort()
	asks(t, dial(t, "tcp", old), "far ", 160)
}

// TestMakesRoom: what is to go makes room for what cannot be beside it, and is back when that comes to
// nothing, with its connections.
func TestMakesRoom(t *testing.T) {
	w := newWorld(t, nil)
	answerer(t, listen(t, w.far, ":80"), "far ")
	at := free(t, "tcp")
	_, port, _ := net.SplitHostPort(at)
	one := Service{VNI: 7, Kind: Forward, Network: "tcp", Listen: at, To: "10.0.0.2:80"}
	all := one
	all.Listen = "0.0.0.0:" + port
	w.offer(one)
	open := dial(t, "tcp", at)
	eventually(t, "the connection", func() bool { return w.Stats()[0].Open == 1 })
	c, err := w.Prepare([]Service{all})
	if err != nil {
		t.Fatal(err)
	}
	c.Abort()
	asks(t, open, "far ", 160)
	asks(t, dial(t, "tcp", at), "far ", 160)
	if s := w.Stats(); len(s) != 1 || s[0].Listen != at || s[0].Total != 2 {
		t.Errorf("%+v", s)
	}
	w.offer(all)
	asks(t, dial(t, "tcp", at), "far ", 160)
	if s := w.Stats(); len(s) != 1 || s[0].Listen != all.Listen {
		t.Errorf("%+v", s)
	}
}

// TestChange: what stays does not notice; what goes elsewhere keeps its place and ends its connections;
// what goes ends.
func TestChange(t *testing.T) {
	w := newWorld(t, nil)
	answerer(t, listen(t, w.far, ":80"), "web ")
	answerer(t, listen(t, w.far, ":25"), "mail ")
	var list []Service
	for range 3 {
		list = append(list, Service{VNI: 7, Kind: Forward, Network: "tcp", Listen: free(t, "tcp"), To: "10.0.0.2:80"})
	}
	w.offer(list...)
	stays, moves, goes := dial(t, "tcp", list[0].Listen), dial(t, "tcp", list[1].Listen), dial(t, "tcp", list[2].Listen)
	eventually(t, "all connections", func() bool {
		s := w.Stats()
		return s[0].Open+s[1].Open+s[2].Open == 3
	})
	list[1].To = "10.0.0.2:25"
	w.offer(list[1], list[0])
	for _, c := range []net.Conn{moves, goes} {
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("a connection that ended gave %d bytes", n)
		}
	}
	asks(t, stays, "web ", 160)
	asks(t, dial(t, "tcp", list[1].Listen), "mail ", 160)
	if _, err := net.Dial("tcp", list[2].Listen); err == nil {
		t.Error("what is not in the list goes on")
	}
}

// TestRunEnds: it ends with connections open, and nothing listens any more.
func TestRunEnds(t *testing.T) {
	w := newWorld(t, nil)
	answerer(t, listen(t, w.far, ":80"), "far ")
	at, packets := free(t, "tcp"), free(t, "udp")
	w.offer(
		Service{VNI: 7, Kind: Forward, Network: "tcp", Listen: at, To: "10.0.0.2:80"},
		Service{VNI: 7, Kind: Forward, Network: "udp", Listen: packets, To: "10.0.0.2:53"},
	)
	c := dial(t, "tcp", at)
	_, _ = dial(t, "udp", packets).Write([]byte("x"))
	eventually(t, "connections", func() bool {
		s := w.Stats()
		return s[0].Open+s[1].Open == 2
	})
	w.end()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
	if _, err := net.Dial("tcp", at); err == nil {
		t.Error("somebody listens")
	}
	if got := w.Stats(); len(got) != 0 {
		t.Errorf("what runs is %+v", got)
	}
}

// TestLateStack: a publish waits for its stack, and listens again on another one.
func TestLateStack(t *testing.T) {
	var stack Stack
	p := New(Options{Stack: func(uint32) Stack { return stack }})
	serve(t, p)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answerer(t, l, "here ")
	list := []Service{{VNI: 7, Kind: Publish, Network: "tcp", Listen: ":22", To: l.Addr().String()}}
	for n := range byte(2) {
		c, err := p.Prepare(list)
		if err != nil {
			t.Fatal(err)
		}
		near, far := host(t, 1), host(t, 2)
		tundevtest.Join(near, far)
		if stack = near; n > 0 { // it was replaced before
			if c, err = p.Prepare(list); err != nil {
				t.Fatal(err)
			}
		}
		c.Commit()
		conn, err := far.DialContext(t.Context(), "tcp", "10.0.0.1:22")
		if err != nil {
			t.Fatal(err)
		}
		asks(t, conn, "here ", 160)
	}
}

// TestJoinHalf: when one direction has ended, the other has so long to say something.
func TestJoinHalf(t *testing.T) {
	a, b, ended := joined(t, limits{silent: time.Hour, half: 200 * time.Millisecond})
	_ = closeWrite(a)
	if got, err := io.ReadAll(b); err != nil || len(got) > 0 {
		t.Errorf("the end came as %q, %v", got, err)
	}
	_, _ = fmt.Fprint(b, "late")
	if got, err := io.ReadAll(a); err != nil || string(got) != "late" {
		t.Errorf("the other direction brought %q, %v", got, err)
	}
	<-ended
}

// TestJoinSilent: a connection ends when nothing comes for too long from either side, and not before.
func TestJoinSilent(t *testing.T) {
	a, b, ended := joined(t, limits{silent: time.Second})
	for range 12 {
		ping := time.NewTimer(100 * time.Millisecond)
		select {
		case <-ended:
			t.Fatal("it ended with traffic one way")
		case <-ping.C:
		}
		_, _ = fmt.Fprint(a, "x")
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "xxxxxxxxxxxx" {
		t.Errorf("%q came, %v", got, err)
	}
	<-ended
}

// joined gives the outer ends of two connections that are one.
func joined(t *testing.T, l limits) (a, b net.Conn, ended <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	pair := func() (outer, inner net.Conn) {
		outer = dial(t, "tcp", listener.Addr().String())
		if inner, err = listener.Accept(); err != nil {
			t.Fatal(err)
		}
		return outer, inner
	}
	a, inA := pair()
	b, inB := pair()
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&joint{here: inA, there: inB, limits: l}).run(context.Background())
	}()
	return a, b, done
}
