//go:build linux && lab

package natlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/lab/netns"
)

const (
	// answerLimit is how long what must come may take, on a busy machine.
	answerLimit = 5 * time.Second
	// silence is how long nothing must come.
	silence = 500 * time.Millisecond
)

// A socket is a UDP socket in a namespace.
type socket struct {
	*net.UDPConn
	t testing.TB
}

// open binds a socket to an address, or to any where that is zero.
func open(t testing.TB, ns *netns.NS, addr netip.Addr, port uint16) *socket {
	t.Helper()
	network := "udp4"
	if addr.Is6() {
		network = "udp6"
	}
	var conn *net.UDPConn
	err := ns.Do(func() (err error) {
		conn, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &socket{conn, t}
}

// send sends a word; that a router refuses it is no error.
func (s *socket) send(to netip.AddrPort, word string) {
	_, _ = s.WriteToUDPAddrPort([]byte(word), to)
}

// receive waits for one datagram.
func (s *socket) receive(limit time.Duration) (word string, from netip.AddrPort, err error) {
	if err := s.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return "", from, err
	}
	b := make([]byte, 2000)
	for {
		n, from, err := s.ReadFromUDPAddrPort(b)
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return string(b[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
		}
	}
}

// want waits for a word and tells where it came from.
func (s *socket) want(word string) netip.AddrPort {
	s.t.Helper()
	for deadline := time.Now().Add(answerLimit); ; {
		got, from, err := s.receive(time.Until(deadline))
		if err != nil {
			s.t.Fatalf("no %q: %v", word, err)
		}
		if got == word {
			return from
		}
	}
}

// wantNot waits for a word that must not come.
func (s *socket) wantNot(word string) {
	s.t.Helper()
	for deadline := time.Now().Add(silence); ; {
		got, from, err := s.receive(time.Until(deadline))
		if err != nil {
			return
		}
		if got == word {
			s.t.Fatalf("%q came from %v", word, from)
		}
	}
}

// A reflector tells whoever asks which address it sees: two hosts with two ports each.
//
//	question "NUMBER same|port|addr": answer from here, from the other port, from the other host
//	answer   "NUMBER ADDRESS:PORT"
type reflector struct{ addrs, addrs6 [2]netip.Addr }

var reflectorPorts = [2]uint16{3478, 3479}

func newReflector(t testing.TB, i *Internet) *reflector {
	t.Helper()
	p, q := i.Public("P"), i.Public("Q")
	r := &reflector{
		[2]netip.Addr{p.Outside(), q.Outside()}, [2]netip.Addr{p.Outside6(), q.Outside6()},
	}
	for _, addrs := range [][2]netip.Addr{r.addrs, r.addrs6} {
		var sockets [2][2]*socket
		for a, h := range []*Host{p, q} {
			for b, port := range reflectorPorts {
				sockets[a][b] = open(t, h.NS, addrs[a], port)
			}
		}
		for n := range 4 {
			a, b := n/2, n%2
			go answer(sockets[a][b], map[string]*socket{
				"same": sockets[a][b], "port": sockets[a][1-b], "addr": sockets[1-a][b],
			})
		}
	}
	return r
}

func answer(s *socket, by map[string]*socket) {
	for {
		question, from, err := s.receive(time.Hour)
		if err != nil {
			return
		}
		number, how, _ := strings.Cut(question, " ")
		if other := by[how]; other != nil {
			other.send(from, number+" "+from.String())
		}
	}
}

// at is one of the reflector's four addresses.
func (r *reflector) at(host, port int, v6 bool) netip.AddrPort {
	if v6 {
		return netip.AddrPortFrom(r.addrs6[host], reflectorPorts[port])
	}
	return netip.AddrPortFrom(r.addrs[host], reflectorPorts[port])
}

// ask asks for one answer; none in time is false. It asks again after a while, except for an answer
// that may be missing: that would only be more of the same.
func (s *socket) ask(to netip.AddrPort, how string, limit time.Duration) (mapped netip.AddrPort, ok bool) {
	number := fmt.Sprint(time.Now().UnixNano())
	for deadline := time.Now().Add(limit); time.Until(deadline) > 0; {
		s.send(to, number+" "+how)
		for again := time.Now().Add(silence); ; {
			word, _, err := s.receive(time.Until(again))
			if err != nil {
				break
			}
			if seen, found := strings.CutPrefix(word, number+" "); found {
				return netip.MustParseAddrPort(seen), true
			}
		}
	}
	return mapped, false
}

// mapped is what the reflector sees of a socket.
func (s *socket) mapped(to netip.AddrPort) netip.AddrPort {
	s.t.Helper()
	m, ok := s.ask(to, "same", answerLimit)
	if !ok {
		s.t.Fatalf("%v: no answer from %v", s.LocalAddr(), to)
	}
	return m
}

// classify tells what is between a host and the internet, as "mapping, filtering". The filtering is
// seen from a socket that never sent anywhere else.
func (r *reflector) classify(t testing.TB, h *Host, v6 bool) string {
	t.Helper()
	own := h.Inside
	if v6 {
		own = h.Inside6
	}
	filtered, s := open(t, h.NS, own, 5000), open(t, h.NS, own, 5001)
	first := r.at(0, 0, v6)
	if _, ok := filtered.ask(first, "same", 2*silence); !ok {
		return "no UDP"
	}
	filtering := "address+port"
	if _, ok := filtered.ask(first, "addr", silence); ok {
		filtering = "none"
	} else if _, ok := filtered.ask(first, "port", silence); ok {
		filtering = "address"
	}
	seen := [3]netip.AddrPort{
		s.mapped(first), s.mapped(r.at(0, 1, v6)), s.mapped(r.at(1, 1, v6)),
	}
	return mapping(netip.AddrPortFrom(own, 5001), seen) + ", " + filtering
}

func mapping(own netip.AddrPort, seen [3]netip.AddrPort) string {
	same := seen[0] == seen[1] && seen[1] == seen[2]
	switch {
	case same && seen[0] == own:
		return "none"
	case same && seen[0].Port() == own.Port():
		return "kept"
	case same:
		return "changed"
	case seen[1].Port()-seen[0].Port() == 1 && seen[2].Port()-seen[1].Port() == 1:
		return "varies by 1"
	default:
		return "varies"
	}
}

// sendTTL sends a word with a TTL of its own.
func (s *socket) sendTTL(to netip.AddrPort, word string, ttl int) {
	s.t.Helper()
	conn, err := s.SyscallConn()
	if err != nil {
		s.t.Fatal(err)
	}
	set := func(ttl int) {
		if e := conn.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, ttl)
		}); errors.Join(e, err) != nil {
			s.t.Fatal(errors.Join(e, err))
		}
	}
	set(ttl)
	s.send(to, word)
	set(64)
}
