package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// A machine is a system that a test makes up: a Linux, seen by root, on which nothing is wrong.
type machine struct {
	files map[string]string
	bound []uint16          // ports that others have
	says  map[string]string // by command line
	deaf  error             // why STUN servers do not answer; nil: they do
	now   time.Time
}

func newMachine() *machine {
	return &machine{
		files: map[string]string{
			"/proc/self/status": "Name:\tvxmesh\nCapEff:\t000001ffffffffff\n", tunPath: "",
			"/proc/sys/net/core/rmem_max": "212992\n",
		},
		says: map[string]string{"nft -j list ruleset": `{"nftables": []}`},
		now:  time.Now(),
	}
}

func (m *machine) system() system {
	s := thisSystem()
	s.os, s.euid, s.now = "linux", 0, func() time.Time { return m.now }
	s.readFile = func(path string) ([]byte, error) {
		if text, ok := m.files[path]; ok {
			return []byte(text), nil
		}
		if strings.HasPrefix(path, "/proc/") {
			return nil, fs.ErrNotExist
		}
		return os.ReadFile(path)
	}
	s.writeFile = func(path string, text []byte) error {
		m.files[path] = string(text)
		return nil
	}
	stat := s.stat
	s.stat = func(path string) (fs.FileInfo, error) {
		if _, ok := m.files[path]; ok {
			return stat(".")
		}
		if strings.HasPrefix(path, "/dev/") || strings.HasSuffix(path, ".service") {
			return nil, fs.ErrNotExist
		}
		return stat(path)
	}
	s.run = func(_ context.Context, name string, args ...string) ([]byte, error) {
		if text, ok := m.says[strings.Join(append([]string{name}, args...), " ")]; ok {
			return []byte(text), nil
		}
		return nil, exec.ErrNotFound
	}
	s.bind = func(_ context.Context, at netip.AddrPort) error {
		for _, port := range m.bound {
			if port == at.Port() {
				return syscall.EADDRINUSE
			}
		}
		return nil
	}
	s.askSTUN = func(context.Context, string) error {
		return m.deaf
	}
	return s
}

// plainFile is a config with a plain leg and a peer, in a directory of its own.
func plainFile(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "plain.toml")
	state := filepath.Join(dir, "state")
	if _, err := identity.Create(filepath.Join(state, "identity.key")); err != nil {
		t.Fatal(err)
	}
	text := "[network]\nname = \"plain\"\nstate = \"" + filepath.ToSlash(state) + "\"\n[listen]\nmesh = [\":42420\"]\n" +
		"[[segments]]\nvni = 7\ndevice.bridge = \"br0\"\ndevice.addresses = [\"10.42.0.11/24\", \"fd42::11/64\"]\n" +
		"[segments.vxlan]\nremotes = [\"192.0.2.7\"]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// patientOf is a network without a node on a machine.
func patientOf(t *testing.T, m *machine, path string) *patient {
	t.Helper()
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return &patient{
		sys: m.system(), network: cfg.Network.Name, path: path, cfg: cfg,
		nodeErr:  control.Errorf(control.CodeNoNode, "no node answers"),
		netcheck: func(context.Context) (control.Netcheck, error) { return controltest.Netcheck(), nil },
	}
}

// node has a node run that is well but for what change does.
func node(p *patient, change func(*control.Status)) {
	s := controltest.Status()
	s.Peers, s.Warnings = s.Peers[:1], nil
	s.Segments[0].VNI, s.Segments[0].VTEPs = 7, s.Segments[0].VTEPs[:1]
	s.Segments[0].Device.Addresses = []string{"10.42.0.11/24", "fd42::11/64"}
	s.Config.LoadedAt, s.PID = time.Now().Add(time.Hour), os.Getpid()
	s.Listen = append(s.Listen, "udp [::]:42420")
	p.sys.readFile = newMachine().system().readFile
	change(&s)
	p.node = &s
}

// doctorCases change one thing at a time. What is wanted is "check verdict words".
var doctorCases = []struct {
	name, want string
	change     func(*machine, *patient)
}{
	{"well", "config ok 0 errors", nil},
	{"no network", "config skip no network", func(_ *machine, p *patient) { p.path, p.cfg = "", nil }},
	{"broken", "config fail does not exist", func(_ *machine, p *patient) { p.cfg, p.cfgErr = nil, fs.ErrNotExist }},
	{"not ours", "config warn not for this user to read", func(_ *machine, p *patient) {
		p.cfg, p.cfgErr = nil, &cmdError{code: exitPermission, err: fs.ErrPermission}
	}},
	{"newer", "config warn newer than what runs", func(_ *machine, p *patient) {
		node(p, func(s *control.Status) { s.Config.LoadedAt = time.Unix(0, 0) })
	}},
	{"refused", "config fail last reload", func(_ *machine, p *patient) {
		node(p, func(s *control.Status) { s.Config.ReloadSuccessful = false })
	}},
	{"no tun", "permissions fail no /dev/net/tun", func(m *machine, _ *patient) { delete(m.files, tunPath) }},
	{"no capability", "permissions warn CAP_NET_ADMIN", func(m *machine, _ *patient) {
		m.files["/proc/self/status"] = "CapEff:\t0000000000000000\n"
	}},
	{"no tap on OpenBSD", "permissions fail no /dev/tap0", func(_ *machine, p *patient) { p.sys.os = "openbsd" }},
	{"tap on OpenBSD", "permissions ok owner's alone", func(m *machine, p *patient) {
		p.sys.os, m.files["/dev/tap0"] = "openbsd", ""
	}},
	{"root on FreeBSD", "permissions ok owner's alone", func(_ *machine, p *patient) { p.sys.os = "freebsd" }},
	{"not root on macOS", "permissions warn not root", func(_ *machine, p *patient) { p.sys.os, p.sys.euid = "darwin", 501 }},
	{"key open", "permissions fail can be read", func(_ *machine, p *patient) { _ = os.Chmod(identityPath(p.cfg), 0o644) }},
	{"config open", "permissions fail can be written", func(_ *machine, p *patient) { _ = os.Chmod(p.path, 0o622) }},
	{"node refuses", "node warn not for you", func(_ *machine, p *patient) {
		p.nodeErr = control.Errorf(control.CodePermission, "not for you")
	}},
	{"node refuses to say", "device skip does not answer this user", func(_ *machine, p *patient) {
		p.nodeErr = control.Errorf(control.CodePermission, "not for you")
	}},
	{"warned", "node warn nobody listens", func(_ *machine, p *patient) {
		node(p, func(s *control.Status) { s.Warnings = controltest.Status().Warnings })
	}},
	{"device", "device ok vxm0 up, in br0, mtu 1450", func(_ *machine, p *patient) { node(p, func(*control.Status) {}) }},
	{"down", "device fail is down", func(_ *machine, p *patient) {
		node(p, func(s *control.Status) { s.Segments[0].Device.State = "down" })
	}},
	{"no bridge", "device fail not in bridge br0", func(_ *machine, p *patient) {
		node(p, func(s *control.Status) { s.Segments[0].Device.Bridge = "" })
	}},
	{"no address", "device fail does not have fd42::11/64", func(_ *machine, p *patient) {
		node(p, func(s *control.Status) { s.Segments[0].Device.Addresses = s.Segments[0].Device.Addresses[:1] })
	}},
	{"small way", "mtu warn carries 1400", func(_ *machine, p *patient) {
		node(p, func(s *control.Status) { s.Segments[0].VTEPs[0].MTU = 1400 })
	}},
	{"free", "udp ok :42420, :4789 free, rcvbuf 4 MiB (net.core.rmem_max 212992, forced)", nil},
	{"taken", "udp fail port 42420 is taken by nc (pid 12)", func(m *machine, _ *patient) {
		m.bound = []uint16{42420}
		m.says["ss -Hlunp sport = :42420"] = `UNCONN 0 0 *:42420 *:* users:(("nc",pid=12,fd=3))`
	}},
	{"other port", "udp warn does not listen on port 42420", func(_ *machine, p *patient) {
		node(p, func(s *control.Status) { s.Listen = s.Listen[:1] })
	}},
	{"blocked", "udp fail no UDP gets out", func(_ *machine, p *patient) {
		p.net = &control.Netcheck{UDP: control.No, IPv4: control.NetFamily{UDP: control.No}}
	}},
	{"nat", "nat ok IPv4 mapping independent", nil},
	{"hard nat", "nat warn ports at random", func(_ *machine, p *patient) {
		p.net = &control.Netcheck{UDP: control.Yes, IPv4: control.NetFamily{
			UDP: control.Yes, Mapping: control.MappingVaries, Class: control.ClassHard,
		}}
	}},
	{"stun", "stun ok 2 of 2 answer", nil},
	{"stun silent", "stun warn 0 of 2 answer", func(m *machine, _ *patient) { m.deaf = context.DeadlineExceeded }},
	{"stun not resolved", "stun warn its name is not resolved: network is unreachable", func(m *machine, _ *patient) {
		m.deaf = &net.DNSError{Name: "stun.example.net", Err: "dial udp 192.0.2.53:53: connect: network is unreachable"}
	}},
	{"stun unknown", "stun skip without a config", func(_ *machine, p *patient) { p.cfg = nil }},
	{"stun off", "stun skip names no server", func(_ *machine, p *patient) { p.cfg.Discovery.STUN = nil }},
	{"clock", "clock ok plausible", nil},
	{"clock behind", "clock fail was written on", func(m *machine, _ *patient) { m.now = time.Unix(1e9, 0) }},
	{"clock before certificates", "clock fail certificate of nas was signed", func(m *machine, p *patient) {
		p.members = controltest.Members().Members
		p.members[0].NotBefore = m.now.Add(time.Hour)
	}},
	{"certificate", "certificates ok good until", func(m *machine, p *patient) { member(p, m.now.Add(80*24*time.Hour)) }},
	{"certificates unknown", "certificates skip without a config", func(_ *machine, p *patient) { p.cfg = nil }},
	{"soon", "certificates warn expires on", func(m *machine, p *patient) { member(p, m.now.Add(13*24*time.Hour)) }},
	{"over", "certificates fail expired on", func(m *machine, p *patient) { member(p, m.now) }},
	{"buffer", "sysctls warn rmem_max is 212992", func(m *machine, _ *patient) {
		m.files["/proc/self/status"] = "CapEff:\t0\n"
	}},
	{"bridge filter", "sysctls warn frames in bridges go through iptables", func(m *machine, _ *patient) {
		m.files["/proc/sys/net/bridge/bridge-nf-call-iptables"] = "1\n"
	}},
	{"strict", "sysctls warn rp_filter is strict", func(m *machine, _ *patient) {
		m.files["/proc/sys/net/ipv4/conf/all/rp_filter"] = "1\n"
		m.files["/proc/net/route"] = "Iface Destination Gateway\neth0 00000000 01\nwlan0 00000000 02\n"
	}},
	{"no IPv6", "sysctls fail IPv6 is off", func(m *machine, _ *patient) {
		m.files["/proc/sys/net/ipv6/conf/all/disable_ipv6"] = "1\n"
	}},
	{"userspace needs no tun", "permissions ok", func(m *machine, p *patient) {
		delete(m.files, tunPath)
		m.files["/proc/self/status"] = "CapEff:\t0000000000000000\n"
		userspaceOnly(p)
	}},
	{"userspace needs no IPv6", "sysctls ok nothing is in the way", func(m *machine, p *patient) {
		m.files["/proc/sys/net/ipv6/conf/all/disable_ipv6"] = "1\n"
		userspaceOnly(p)
	}},
	{"no unit", "service skip no systemd unit", nil},
	{"unit failed", "service fail has failed (exit-code)", func(m *machine, _ *patient) {
		unit(m, "ActiveState=failed\nUnitFileState=enabled\nResult=exit-code\n")
	}},
	{"not at boot", "service warn does not start at boot", func(m *machine, _ *patient) {
		unit(m, "ActiveState=active\nUnitFileState=disabled\n")
	}},
}

// TestDoctorChecks wants the check that looks at a thing to see what is the matter with it.
func TestDoctorChecks(t *testing.T) {
	for _, tt := range doctorCases {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine()
			p := patientOf(t, m, plainFile(t))
			if tt.change != nil {
				tt.change(m, p)
			}
			check, rest, _ := strings.Cut(tt.want, " ")
			want, words, _ := strings.Cut(rest, " ")
			for _, c := range doctorChecks {
				if c.name != check {
					continue
				}
				found := c.check(t.Context(), p)
				if got := worst(found); string(got) != want || !strings.Contains(messages(found), words) {
					t.Errorf("%s, want %s: %s", got, tt.want, messages(found))
				}
			}
		})
	}
}

func messages(found []finding) string {
	var all []string
	for _, f := range found {
		all = append(all, string(f.verdict)+" "+f.message)
	}
	return strings.Join(all, "; ")
}

func member(p *patient, until time.Time) {
	p.members = controltest.Members().Members
	for i := range p.members {
		p.members[i].NotAfter = until.Add(time.Duration(i) * time.Nanosecond)
		if p.members[i].Self {
			p.members[i].NotAfter = until
		}
	}
}

func userspaceOnly(p *patient) {
	for i := range p.cfg.Segments {
		p.cfg.Segments[i].Device.Kind = config.KindUserspace
	}
}

func unit(m *machine, says string) {
	m.files[unitFiles[1]] = ""
	m.says["systemctl show --property=ActiveState,UnitFileState,Result vxmesh@plain"] = says
}

// runDoctor runs the command on a machine.
func runDoctor(t *testing.T, m *machine, d doctor, g *globals) (code int, out string) {
	t.Helper()
	var text, errText bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	cmd.SetOut(&text)
	cmd.SetErr(&errText)
	d.sys = m.system()
	return printError(&errText, d.run(cmd, g), false), text.String()
}

// TestDoctorFix mends what is safe, looks again, and touches nothing else.
func TestDoctorFix(t *testing.T) {
	m, path := newMachine(), plainFile(t)
	m.files["/proc/self/status"] = "CapEff:\t0\n"
	m.says["nft -j list ruleset"] = dropAll
	key := filepath.Join(filepath.Dir(path), "state", "identity.key")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	code, out := runDoctor(t, m, doctor{}, &globals{network: path})
	if info, _ := os.Stat(key); code != exitFailed || info.Mode().Perm() != 0o644 || !strings.Contains(out, "fix: chmod 600 "+key) {
		t.Errorf("without --fix: %d\n%s", code, out)
	}
	code, out = runDoctor(t, m, doctor{fix: true}, &globals{network: path})
	info, _ := os.Stat(key)
	if code != exitOK || info.Mode().Perm() != 0o600 || m.files["/proc/sys/net/core/rmem_max"] != "4194304\n" {
		t.Errorf("with --fix: %d, %v, %v\n%s", code, info.Mode(), m.files, out)
	}
	for _, want := range []string{
		"fixed  mode of " + key + " set to 0600\n", "fixed  sysctl net.core.rmem_max=4194304",
		"ok     sysctls", "warn   firewall      nftables chain inet filter input drops UDP port 42420",
		"fix: nft insert rule inet filter input udp dport 42420 accept",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestDoctorBundle: no key, no invitation and no secret is in it, wherever somebody may have put one.
func TestDoctorBundle(t *testing.T) {
	t.Chdir(t.TempDir())
	foundNetwork(t)
	token := vxmesh(t, "invite", "-n", "./home.toml", "--endpoint", "192.0.2.1:1", "--json").out
	_, token, _ = strings.Cut(token, `"invitation": "`)
	token, _, _ = strings.Cut(token, `"`)
	secret := []string{token}
	err := filepath.WalkDir("state", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for word := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return strings.ContainsRune(" \n\t\",:{}[]", r) }) {
			if len(word) >= 40 && !strings.HasPrefix(word, "age1") {
				secret = append(secret, word)
			}
		}
		return err
	})
	if err != nil || len(token) < 50 || len(secret) < 3 {
		t.Fatal(err, len(token), len(secret))
	}
	text, err := os.ReadFile("home.toml")
	for i, s := range secret { // people write the strangest things into comments
		text = append(text, "# "+[]string{"token: ", "", "key="}[i%3]+s+"\n"...)
	}
	if err = errors.Join(err, os.WriteFile("home.toml", text, 0o600)); err != nil {
		t.Fatal(err)
	}
	m := newMachine()
	m.says["ip addr"] = "1: lo: <LOOPBACK>\n"
	if code, out := runDoctor(t, m, doctor{bundle: "b.tar.gz"}, &globals{network: "./home.toml"}); !strings.Contains(out, "packed  b.tar.gz") {
		t.Errorf("%d\n%s", code, out)
	}
	checkBundle(t, []string{"doctor.json", "version.json", "config.toml", "ip-addr.txt"}, secret)

	n := controltest.New()
	n.SetMembers(controltest.Members())
	runDoctor(t, m, doctor{bundle: "b.tar.gz"}, &globals{socket: n.Serve(t)})
	checkBundle(t, []string{"status.json", "peers.json", "stats.json", "fdb.json", "members.json", "why.json", "log.txt"}, nil)
}

func checkBundle(t *testing.T, files, secret []string) {
	t.Helper()
	packed := unpack(t, "b.tar.gz")
	for _, name := range files {
		if _, there := packed["vxmesh/"+name]; !there {
			t.Errorf("no %s in the bundle", name)
		}
	}
	wantNone(t, packed, secret)
}

// wantNone wants none of the secrets in the files.
func wantNone(t *testing.T, files map[string]string, secret []string) {
	t.Helper()
	for name, text := range files {
		for _, s := range secret {
			if strings.Contains(text, s) {
				t.Errorf("%s is in %s", s, name)
			}
		}
	}
}

// unpack gives the files of a private tar.gz file.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if info, _ := f.Stat(); info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of %s is %v", path, info.Mode())
	}
	unzip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(unzip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		text, readErr := io.ReadAll(r)
		if err = errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(text)
	}
}
