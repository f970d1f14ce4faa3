package udp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestModes asks the kernel what it will do with the datagrams of each mode; from the start that is
// what the zero mode says.
func TestModes(t *testing.T) {
	for _, local := range []string{"127.0.0.1:0", "[::1]:0"} {
		s, err := Listen(netip.MustParseAddrPort(local), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i, mode := range []Mode{
			{}, {}, {DF: true}, {DF: true, NoChecksum: true}, {NoChecksum: true}, {DF: true, Probe: true}, {DF: true}, {},
		} {
			if i > 0 { // before the first, nothing was written
				s.Write([]Message{{To: s.LocalAddr(), Data: []byte("x"), TTL: 64}}, mode)
			}
			if got := s.kernelMode(t); got != mode {
				t.Errorf("%s: %+v, want %+v", local, got, mode)
			}
		}
	}
}

// kernelMode reads the socket's options back.
func (s *Socket) kernelMode(t *testing.T) (m Mode) {
	t.Helper()
	level, discover, noCheckLevel, noCheck := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.SOL_SOCKET, unix.SO_NO_CHECK
	if s.v6 {
		level, discover = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER
		noCheckLevel, noCheck = unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_TX
	}
	err := s.file.Do(func(fd uintptr) {
		pmtu, err := unix.GetsockoptInt(int(fd), level, discover)
		if err != nil {
			t.Error(err)
		}
		if pmtu == unix.IP_PMTUDISC_WANT {
			t.Error("path MTU discovery is the kernel's default")
		}
		off, err := unix.GetsockoptInt(int(fd), noCheckLevel, noCheck)
		if err != nil {
			t.Error(err)
		}
		probe := pmtu == unix.IP_PMTUDISC_PROBE
		m = Mode{DF: probe || pmtu == unix.IP_PMTUDISC_DO, Probe: probe, NoChecksum: off != 0}
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
