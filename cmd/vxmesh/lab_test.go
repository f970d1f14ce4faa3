package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
)

// A runningLab is the example, in this process.
type runningLab struct {
	t     *testing.T
	dir   string
	end   func()
	ended chan result
}

// startLab runs a lab's file until the test ends, and waits until it answers.
func startLab(t *testing.T, text string, args ...string) *runningLab {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "lab.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &runningLab{t: t, dir: dir, end: cancel, ended: make(chan result, 1)}
	go func() {
		l.ended <- vxmeshUntil(ctx, append([]string{"lab", file, "--headless", "--dir", dir}, args...)...)
	}()
	t.Cleanup(func() {
		cancel()
		r := <-l.ended
		l.ended <- r
	})
	for range time.Tick(20 * time.Millisecond) {
		if r := l.run("list"); strings.Contains(r.out, "NODE") {
			return l
		}
		select {
		case r := <-l.ended:
			l.ended <- r
			t.Fatalf("the lab has ended: %+v", r)
		default:
		}
	}
	return nil
}

// run runs a command of the lab's.
func (l *runningLab) run(args ...string) result {
	l.t.Helper()
	return vxmesh(l.t, append([]string{"lab", "--dir", l.dir}, args...)...)
}

// finished waits for the lab's end.
func (l *runningLab) finished() result {
	l.t.Helper()
	select {
	case r := <-l.ended:
		l.ended <- r
		return r
	case <-time.After(10 * time.Second):
		l.t.Fatal("the lab does not end")
	}
	return result{}
}

// TestLab runs commands on the nodes of a lab that runs.
func TestLab(t *testing.T) {
	l := startLab(t, config.LabExample())
	r := l.run("exec", "host1", "ping", "host2", "-c", "2", "-i", "50ms", "-W", "10s")
	if r.code != exitOK || !strings.Contains(r.out, "host2 (10.77.0.2): echo 2, ") || !strings.Contains(r.out, "0% lost") {
		t.Errorf("ping: %+v", r)
	}
	r = l.run("exec", "host1", "ping", "10.77.0.2", "-c", "1", "--json")
	r.wantCode(t, exitOK)
	validate(t, "ping_summary", r.out)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"peers"}, "host2"},
		{[]string{"status"}, "two-homes"},
		{[]string{"why", "host2"}, "host2 is reached"},
		{[]string{"fdb"}, "device (user0)"},
		{[]string{"peer", "show", "relay"}, "192.0.2.1:42420"},
		{[]string{"wait", "--for", "peer:host2", "--timeout", "10s"}, "peer:host2"},
	} {
		r := l.run(append([]string{"exec", "host1"}, c.args...)...)
		if r.code != exitOK || !strings.Contains(r.out, c.says) {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
	if r := l.run("exec", "host1", "nc", "host2", "9"); r.code != exitFailed || !strings.Contains(r.errOut, "refuses the connection") {
		t.Errorf("nc: %+v", r)
	}
	r = l.run("exec", "host1", "peers", "--json")
	validate(t, "peers", r.out)
	if r := l.run("list", "--json"); r.code != exitOK {
		t.Errorf("%+v", r)
	} else {
		validate(t, "labs", r.out)
	}
	r = vxmesh(t, "__complete", "lab", "--dir", l.dir, "exec", "")
	if !strings.Contains(r.out, "host1\t10.77.0.1/24") {
		t.Errorf("completion: %+v", r)
	}
}

// TestLabSet: what happens is told, and what cannot be is refused.
func TestLabSet(t *testing.T) {
	l := startLab(t, config.LabExample())
	r := l.run("set", "home1", "--nat", "symmetric-random", "--loss", "2.5%", "--delay", "20ms", "--rate", "10Mbit/s", "--address", "198.51.100.9")
	const want = "home1: loss 2.5%, delay 20ms, rate 10000000 bit/s, NAT symmetric-random, address 198.51.100.9\n"
	r.want(t, exitOK, want)
	if list := l.run("list").out; !strings.Contains(list, "home1  symmetric-random  198.51.100.9") {
		t.Error(list)
	}
	r = l.run("set", "home1", "--flush", "--reboot", "1s", "--json")
	r.wantCode(t, exitOK)
	validate(t, "labs", r.out)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"set", "home1"}, exitUsage, "say what happens"},
		{[]string{"set", "hom1", "--down"}, exitNotFound, `did you mean "home1"?`},
		{[]string{"set", "host1", "--flush"}, exitUsage, "only a site has a NAT"},
		{[]string{"set", "home1", "--nat", "symetric-random"}, exitUsage, `did you mean "symmetric-random"?`},
		{[]string{"set", "home1", "--loss", "2"}, exitUsage, "not a percentage"},
		{[]string{"set", "home1", "--rate", "2"}, exitUsage, "not a rate"},
		{[]string{"set", "home1", "--address", "x"}, exitUsage, "not an IP address"},
		{[]string{"set", "home1", "--address", "198.51.100.2"}, exitConflict, "the address of home2"},
		{[]string{"set", "home1", "--down", "--up"}, exitUsage, "take one of them"},
		{[]string{"set", "home1", "--delay", "-1s"}, exitUsage, "0 to 10s"},
		{[]string{"exec", "host3", "peers"}, exitNotFound, `did you mean "host`},
		{[]string{"exec", "host1", "peeers"}, exitUsage, `did you mean "peers"?`},
		{[]string{"exec", "host1", "leave"}, exitUsage, "no command for a node of a lab"},
		{[]string{"exec", "host1", "ping", "host2", "-c", "0"}, exitUsage, "--count is at least 1"},
		{[]string{"exec", "host1", "ping", "host2", "--cuont", "1"}, exitUsage, "did you mean --count?"},
		{[]string{"exec", "host1"}, exitUsage, "something is missing"},
		{[]string{"exec", "host1", "ping", "10.99.0.1", "-c", "1"}, exitNotFound, "no device in a network with"},
		{[]string{"-n", "two-hoems", "stop"}, exitNoNode, `did you mean "two-homes"?`},
	} {
		if r := l.run(c.args...); r.code != c.code || !strings.Contains(r.errOut, c.says) {
			t.Errorf("%v: %+v, want code %d and %q", c.args, r, c.code, c.says)
		}
	}
}

// pcapngMagic is how such a file begins (draft-ietf-opsawg-pcapng, 4.1).
const pcapngMagic = "\x0a\x0d\x0d\x0a"

// TestLabEnds by `lab stop`, and by ctrl-c, and leaves no socket.
func TestLabEnds(t *testing.T) {
	for name, end := range map[string]func(*runningLab){
		"stop":   func(l *runningLab) { l.run("stop", "two-homes").want(l.t, exitOK, "two-homes ends\n") },
		"ctrl-c": func(l *runningLab) { l.end() },
	} {
		t.Run(name, func(t *testing.T) {
			pcap := filepath.Join(t.TempDir(), "lab.pcapng")
			l := startLab(t, config.LabExample(), "--pcap", pcap)
			end(l)
			if r := l.finished(); r.code != exitOK || !strings.Contains(r.out, "lab two-homes, seed 1") {
				t.Errorf("%+v", r)
			}
			left, err := filepath.Glob(filepath.Join(l.dir, "*", "*.sock"))
			if more, _ := filepath.Glob(filepath.Join(l.dir, "*.sock")); err != nil || len(left)+len(more) > 0 {
				t.Errorf("left behind: %v %v", left, more)
			}
			if b, err := os.ReadFile(pcap); err != nil || !strings.HasPrefix(string(b), pcapngMagic) {
				t.Errorf("the record: %d bytes, %v", len(b), err)
			}
			if r := l.run("list"); r.out != "no lab runs here\n" {
				t.Errorf("%+v", r)
			}
			l.run("exec", "host1", "peers").wantCode(t, exitNoNode)
		})
	}
}

// TestLabTwice: a lab that runs is left alone by another of its name.
func TestLabTwice(t *testing.T) {
	l := startLab(t, config.LabExample())
	r := vxmesh(t, "lab", filepath.Join(l.dir, "lab.toml"), "--headless", "--dir", l.dir)
	if r.code != exitConflict || !strings.Contains(r.errOut, "already runs network two-homes") {
		t.Errorf("%+v", r)
	}
	l.run("exec", "host1", "status").wantCode(t, exitOK)
}

// TestLabRefuses: files that are none, or have something wrong, say so with the line.
func TestLabRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	long := filepath.Join(dir, strings.Repeat("x", 100))
	good := write("good.toml", config.LabExample())
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{write("bad.toml", "[[nodes]]\nname = \"a\"\nadresses = []\n")}, exitConfig, `bad.toml:3:1: error: unknown key "adresses"`},
		{[]string{filepath.Join(dir, "none.toml")}, exitNotFound, "vxmesh lab example > "},
		{[]string{"exce"}, exitUsage, "did you mean `vxmesh lab exec`?"},
		{[]string{good, "--headless", "--node", "hots1", "--dir", dir}, exitNotFound, `did you mean "host1"?`},
		{[]string{good, "--headless", "--dir", long}, exitUsage, "longer than 103 bytes"},
	} {
		if r := vxmesh(t, append([]string{"lab"}, c.args...)...); r.code != c.code || !strings.Contains(r.errOut, c.says) {
			t.Errorf("%v: %+v, want code %d and %q", c.args, r, c.code, c.says)
		}
	}
}

// TestLabNATs: the file's kinds of NAT are those that there are.
func TestLabNATs(t *testing.T) {
	var known []string
	for _, n := range config.NATs() {
		k, ok := natKind(config.NAT(n))
		if !ok || k.String() != n {
			t.Errorf("%s is read as %s", n, k)
		}
		known = append(known, k.String())
	}
	if len(slices.Compact(known)) != 10 {
		t.Errorf("kinds %v", known)
	}
}

// A silentStack is a device without a host.
type silentStack struct{ *tundevtest.Device }

var errNoHost = errors.New("there is no host")

// Ping, DialContext and Listen implement [topology.Stack].
func (silentStack) Ping(context.Context, netip.Addr, int) (time.Duration, error) { return 0, errNoHost }

func (silentStack) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, errNoHost
}

func (silentStack) Listen(string, string) (net.Listener, error) { return nil, errNoHost }

// FuzzLabPlan: what the file's checks accept can be built, whatever it is.
func FuzzLabPlan(f *testing.F) {
	f.Add(config.LabExample())
	examples, err := filepath.Glob(filepath.Join("..", "..", "examples", "lab", "*.toml"))
	if err != nil || len(examples) == 0 {
		f.Fatal(examples, err)
	}
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	open := func(o tundev.Options) (topology.Stack, error) {
		return silentStack{tundevtest.NewWith(o, tundev.Offloads{})}, nil
	}
	f.Fuzz(func(t *testing.T, text string) {
		lab, err := config.ParseLab("fuzz", []byte(text))
		if err != nil {
			return
		}
		w, err := topology.New(labPlan(lab), topology.Options{Open: open})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(w.Plan()); err != nil {
			t.Error(err)
		}
		w.Close()
	})
}
