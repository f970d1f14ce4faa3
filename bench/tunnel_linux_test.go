package main

import (
	"bufio"
	"crypto/ecdh"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// The report finds bases and order by name, and what is left out by rival.
func TestTunnels(t *testing.T) {
	seen := map[string]bool{}
	for _, tunnel := range tunnels {
		for _, name := range tunnel.pairs {
			if seen[name] {
				t.Errorf("%q is there twice", name)
			}
			seen[name] = true
		}
		if tunnel.up == nil || tunnel.seal == "" || (tunnel.layer != 2 && tunnel.layer != 3) {
			t.Errorf("%q is not whole", tunnel.pairs)
		}
		if tunnel.rival && tunnel.about == nil && tunnel.module == "" {
			t.Errorf("%q has no version", tunnel.pairs)
		}
	}
	for _, base := range bases {
		if !seen[base.pair] {
			t.Errorf("the base %q is no pair", base.pair)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"fastd v22\n":                           "22",
		"tinc version 1.0.36\nCopyright (C) 19": "1.0.36",
		"Welcome to n2n v.1.3.2 for unknown\n":  "1.3.2",
		"Welcome to n2n v.3.1.1 for x86_64":     "3.1.1",
		"OpenVPN 2.6.14 x86_64-pc-linux-gnu [S": "2.6.14",
		"no digits here":                        "unknown",
	} {
		if got := parseVersion(text); got != want {
			t.Errorf("parseVersion(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestInDatagrams(t *testing.T) {
	const snmp = "Icmp: InMsgs\nIcmp: 3\n" +
		"Udp: InDatagrams NoPorts InErrors\nUdp: 42 7 1\nUdpLite: InDatagrams\nUdpLite: 9\n"
	if got, err := inDatagrams(snmp); got != 42 || err != nil {
		t.Errorf("got %d, %v; want 42", got, err)
	}
	for _, text := range []string{"", "Udp: InDatagrams\n", "Udp: NoPorts\nUdp: 1\n", "Udp:\nUdp:\n"} {
		if got, err := inDatagrams(text); err == nil {
			t.Errorf("inDatagrams(%q) = %d, want an error", text, got)
		}
	}
}

func TestParseCounter(t *testing.T) {
	const listed = `table netdev bench {
	counter wire {
		packets 12 bytes 17900
	}
}`
	packets, bytes, err := parseCounter(listed)
	if packets != 12 || bytes != 17900 || err != nil {
		t.Errorf("got %v packets, %v bytes, %v", packets, bytes, err)
	}
	for _, text := range []string{"", "packets ", "packets 1 bytes", "bytes 1 packets 2"} {
		if _, _, err := parseCounter(text); err == nil {
			t.Errorf("parseCounter(%q) gives no error", text)
		}
	}
}

func TestPayloadShare(t *testing.T) {
	if got, err := payloadShare(1382*10, 10, 15000); err != nil || got < 92.1 || got > 92.2 {
		t.Errorf("share %v, %v; want 92.13", got, err)
	}
	if _, err := payloadShare(0, 0, 0); err == nil {
		t.Error("a share of nothing")
	}
	if _, err := payloadShare(60000, 1, 64000); err == nil {
		t.Error("a super-frame was counted as a packet of a 1500-byte link")
	}
}

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{"-loss", "1", "-pairs", "^tinc$|sealed", "-quick"})
	if err != nil || !o.single() || o.rounds != 1 || !o.pairs.MatchString("vxmesh sealed") ||
		o.pairs.MatchString("tinc 2") {
		t.Errorf("options %+v, %v", o, err)
	}
	for _, args := range []string{
		"-loss -1", "-loss 51", "-loss NaN", "-pairs (", "-rounds 0", "-time 1ms",
	} {
		if _, err := parseOptions(strings.Fields(args)); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
}

func TestConfigureWireGuard(t *testing.T) {
	own, err := ecdh.X25519().NewPrivateKey([]byte(strings.Repeat("\x01", 32)))
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ecdh.X25519().NewPublicKey([]byte(strings.Repeat("\x02", 32)))
	if err != nil {
		t.Fatal(err)
	}
	want := "private_key=" + strings.Repeat("01", 32) + "\nlisten_port=51820\n" +
		"public_key=" + strings.Repeat("02", 32) + "\nendpoint=192.0.2.2:51820\n" +
		"allowed_ip=0.0.0.0/0\n\n"
	settings := wireguardSettings(own, peer, "192.0.2.2")
	if settings != want {
		t.Fatalf("settings:\n%s\nwant:\n%s", settings, want)
	}
	for answer, fine := range map[string]bool{
		"errno=0\n\n": true, "errno=-22\n\n": false, "errno=0\n": false,
	} {
		socket, requests := answering(t, answer)
		if err := configure(socket, settings); (err == nil) != fine {
			t.Errorf("after the answer %q: %v", answer, err)
		}
		if got := <-requests; got != "set=1\n"+want {
			t.Errorf("it was asked:\n%s", got)
		}
	}
}

// answering is a Unix socket that reads one request, gives one answer and closes.
func answering(t *testing.T, answer string) (socket string, requests <-chan string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked := make(chan string, 1)
	go func() {
		defer close(asked)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var request strings.Builder
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			request.WriteString(lines.Text() + "\n")
			if lines.Text() == "" {
				break
			}
		}
		asked <- request.String()
		_, _ = conn.Write([]byte(answer)) // the one who asked says what is missing
	}()
	return socket, asked
}
