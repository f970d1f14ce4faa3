//go:build linux && lab

// What a userspace device offers to the programs of M, whose system has nothing of the segment, and to K.
// The node's user has no rights.
//
//	K vx0 10.0.0.1, fd42::1                             M (userspace) 10.0.0.2, fd42::2
//	  [u0] 192.0.2.1 ------------- VXLAN ------------- 192.0.2.2 [u0]

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/proxy"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// offered is what M's file says in the drawing.
const offered = `socks = "127.0.0.1:1080"
forward = ["tcp:8080=10.0.0.1:80", "tcp:[::1]:8080=[fd42::1]:80", "udp:5353=10.0.0.1:53"]
publish = ["tcp:22=127.0.0.1:2222", "udp:53=127.0.0.1:5300"]`

// newProxyLab is the drawing, up, with a server on K and one on M, which say so.
func newProxyLab(t *testing.T) (k *host, n *node) {
	t.Helper()
	vxmeshOnly(t)
	k, m := pair(t)
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24"},
	}, 4789)
	k.run("ip addr add fd42::1/64 dev vx0 nodad")
	k.answers("tcp", ":80")
	k.answers("udp", ":53")
	m.answers("tcp", "127.0.0.1:2222")
	m.answers("udp", "127.0.0.1:5300")
	s := userspaceSegment()
	s.offers = offered
	n = newNode(m, 4789, s)
	n.asNobody()
	n.start()
	n.waitUp()
	eventually(t, func() error { return k.canPing("10.0.0.2") })
	return k, n
}

// answers serves until the end of the case: it sends back what comes, behind the host's name, a datagram
// at once and a stream when its end has come.
func (h *host) answers(network, at string) {
	h.t.Helper()
	if network == "udp" {
		var s net.PacketConn
		need(h.t, h.Do(func() (err error) { s, err = net.ListenPacket("udp", at); return err }))
		h.t.Cleanup(func() { s.Close() })
		go func() {
			buf := make([]byte, 1<<16)
			for {
				n, from, err := s.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = s.WriteTo(append([]byte(h.Name()+" "), buf[:n]...), from)
			}
		}()
		return
	}
	var l net.Listener
	need(h.t, h.Do(func() (err error) { l, err = net.Listen("tcp", at); return err }))
	h.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				got, _ := io.ReadAll(c)
				_, _ = c.Write(append([]byte(h.Name()+" "), got...))
			}()
		}
	}()
}

// reaches sends something by what dial gives, in the host, and wants it back behind a name.
func (h *host) reaches(name, what string, size int, dial func() (net.Conn, error)) {
	h.t.Helper()
	var c net.Conn
	if err := h.Do(func() (err error) { c, err = dial(); return err }); err != nil {
		h.t.Errorf("%s: %v", what, err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	go func() {
		_, _ = c.Write(sent)
		if half, ok := c.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	got := make([]byte, len(name)+1+len(sent))
	_, err := io.ReadFull(c, got)
	if network := c.RemoteAddr().Network(); network == "udp" {
		err = nil // in one piece, or not at all
	}
	if err != nil || !bytes.Equal(got, append([]byte(name+" "), sent...)) {
		h.t.Errorf("%s: %.20q, %v", what, got, err)
	}
}

// dialer is how a host dials by itself.
func dialer(network, to string) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.DialTimeout(network, to, patience) }
}

// TestProxies: the SOCKS proxy, forwards and publishes, and what `stats` says of them.
func TestProxies(t *testing.T) {
	t.Parallel()
	k, n := newProxyLab(t)
	socks, err := proxy.SOCKS5("tcp", "127.0.0.1:1080", nil, nil)
	need(t, err)
	for _, to := range []string{"10.0.0.1:80", "[fd42::1]:80"} {
		n.reaches("K", "SOCKS to "+to, 4<<20, func() (net.Conn, error) { return socks.Dial("tcp", to) })
	}
	for to, want := range map[string]string{"10.0.0.1:81": "refused", "nosuch.example:80": "host unreachable"} {
		err := n.Do(func() error { _, err := socks.Dial("tcp", to); return err })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("SOCKS to %s: %v, want %s", to, err, want)
		}
	}
	n.reaches("K", "forward", 4<<20, dialer("tcp", "127.0.0.1:8080"))
	n.reaches("K", "forward over IPv6", 1<<20, dialer("tcp", "[::1]:8080"))
	n.reaches("K", "forward of UDP", 1024, dialer("udp", "127.0.0.1:5353"))
	k.reaches("M", "publish", 4<<20, dialer("tcp", "10.0.0.2:22"))
	k.reaches("M", "publish over IPv6", 1<<20, dialer("tcp", "[fd42::2]:22"))
	k.reaches("M", "publish of UDP", 1024, dialer("udp", "10.0.0.2:53"))
	var s struct {
		Proxies []struct {
			Kind          string
			Total, Failed int
		}
	}
	need(t, n.tryJSON(&s, "stats"))
	if len(s.Proxies) != 6 || s.Proxies[0].Kind != "socks" || s.Proxies[0].Total != 4 || s.Proxies[0].Failed != 2 {
		t.Errorf("stats: %+v", s.Proxies)
	}
	expectWords(t, n.mustCtl("stats"), "PROXY", "forward  tcp 127.0.0.1:8080  10.0.0.1:80")
	n.stop()
}

// TestProxyReload: a file of which a part cannot be had changes nothing; one that can is taken while
// what stays goes on.
func TestProxyReload(t *testing.T) {
	t.Parallel()
	_, n := newProxyLab(t)
	n.answers("tcp", "127.0.0.1:9000") // somebody else has it
	offer := func(text string) (string, error) {
		n.segments[0].offers = text
		n.rewrite()
		return n.ctl("reload")
	}
	_, err := offer(`forward = ["tcp:8081=10.0.0.1:80", "tcp:9000=10.0.0.1:80"]`)
	if err == nil || !strings.Contains(err.Error(), "listen on tcp 127.0.0.1:9000") ||
		!strings.Contains(err.Error(), fmt.Sprintf("exit status %d", exitConflict)) {
		t.Errorf("a port that is taken: %v", err)
	}
	n.reaches("K", "forward after a refusal", 1<<10, dialer("tcp", "127.0.0.1:8080"))
	if err := n.Do(func() error { _, err := net.Dial("tcp", "127.0.0.1:8081"); return err }); err == nil {
		t.Error("half of the file was taken")
	}
	out, err := offer(`socks = "0.0.0.0:1080"` + "\n" + `forward = ["tcp:8081=10.0.0.1:80"]`)
	need(t, err)
	expectWords(t, out, "segments[100].userspace.forward", "segments[100].userspace.publish")
	n.reaches("K", "another forward", 1<<10, dialer("tcp", "127.0.0.1:8081"))
	if err := n.Do(func() error { _, err := net.Dial("tcp", "127.0.0.1:8080"); return err }); err == nil {
		t.Error("a forward that was taken away goes on")
	}
	expectWords(t, n.mustCtl("status"), "the SOCKS proxy listens on 0.0.0.0:1080", `socks = "127.0.0.1:1080"`)
	n.segments[0].offers, n.segments[0].kind = `socks = "127.0.0.1:1080"`, "tun"
	n.rewrite()
	_, err = n.ctl("reload")
	if err == nil || !strings.Contains(err.Error(), `a device of kind "tun" offers nothing`) {
		t.Errorf("a device that offers nothing: %v", err)
	}
}

// shell runs a line in the host with the node's nc as $nc.
func (n *node) shell(line string) (string, error) {
	return n.RunArgs("sh", "-c", fmt.Sprintf("nc='%s --socket %s nc'; %s", program, n.socket, line))
}

// TestNC: streams and datagrams both ways through the node, and pings.
func TestNC(t *testing.T) {
	t.Parallel()
	k, n := newProxyLab(t)
	for line, want := range map[string]string{
		`printf hello | $nc 10.0.0.1 80`:                      "K hello",
		`printf hello | $nc fd42::1 80`:                       "K hello",
		`printf hello | $nc -u -w 1s 10.0.0.1 53`:             "K hello",
		`head -c 3000000 /dev/zero | $nc 10.0.0.1 80 | wc -c`: "3000002\n",
		`$nc 10.0.0.1 81 2>&1 </dev/null; echo $?`:            "vxmesh: 10.0.0.1:81 is there and refuses the connection\n1\n",
		`$nc -w 100ms 10.0.0.77 80 2>&1; echo $?`:             "vxmesh: no answer from 10.0.0.77:80\n7\n",
		`$nc -w 100ms -l 7001 2>&1; echo $?`:                  "vxmesh: no answer from :7001\n7\n",
	} {
		if got, err := n.shell(line); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", line, got, err, want)
		}
	}
	l, err := n.Start(netns.StartOptions{Args: []string{
		"sh", "-c", `printf 'M ' | "$0" --socket "$1" nc -l 7000`, program, n.socket,
	}})
	need(t, err)
	t.Cleanup(l.Kill)
	eventually(t, func() error { // it takes a moment to listen
		return k.Do(func() error {
			c, err := net.Dial("tcp", "10.0.0.2:7000")
			if err != nil {
				return err
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(patience))
			_, _ = c.Write([]byte("from K"))
			_ = c.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(c)
			if string(got) != "M " {
				err = errors.Join(err, fmt.Errorf("M said %q", got))
			}
			return err
		})
	})
	if code, err := l.Wait(patience); err != nil || code != exitOK || l.Output() != "from K" {
		t.Errorf("nc -l: exit code %d, %v: %q", code, err, l.Output())
	}
	expectWords(t, n.mustCtl("ping", "--overlay", "10.0.0.1", "-c", "2", "-i", "50ms", "-s", "1000"),
		"10.0.0.1 (10.0.0.1): echo 2, ", "2 echoes sent, 2 came back, 0% lost")
	expectWords(t, n.mustCtl("ping", "--overlay", "fd42::1", "-c", "1"), "1 came back")
	_, err = n.ctl("ping", "--overlay", "10.0.0.77", "-c", "1", "-W", "100ms")
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("exit status %d", exitTimeout)) {
		t.Errorf("nobody there: %v", err)
	}
	_, err = n.ctl("nc", "nosuch", "22")
	if err == nil || !strings.Contains(err.Error(), `no member called "nosuch"`) {
		t.Errorf("no such name: %v", err)
	}
}

// TestNCNames: a member in userspace reaches another by its name, and the other, whose device is the
// kernel's, is told to use nc itself.
func TestNCNames(t *testing.T) {
	t.Parallel()
	nodes := newMembers(t, "a", "b")
	a, b := nodes[0], nodes[1]
	b.enter(a.invite().Token)
	waitMeet(t, a, b)
	b.stop()
	text, err := os.ReadFile(b.config)
	need(t, err)
	device := strings.Replace(string(text), "[segments.device]", "[segments.device]\nkind = \"userspace\"", 1)
	need(t, os.WriteFile(b.config, []byte(device), 0o600))
	b.start()
	b.waitUp()
	a.answers("tcp", ":80")
	for _, name := range []string{"a", "A", "a.home", "a.home."} {
		eventually(t, func() error {
			got, err := b.shell("printf hi | $nc -w 1s " + name + " 80")
			if got != "A hi" {
				err = errors.Join(err, fmt.Errorf("%s answered %q", name, got))
			}
			return err
		})
	}
	expectWords(t, b.mustCtl("ping", "--overlay", "a", "-c", "1"), "a (10.")
	_, err = a.ctl("nc", "b", "22")
	if err == nil || !strings.Contains(err.Error(), "has vxm0, a device of the system") {
		t.Errorf("from a kernel device: %v", err)
	}
}
