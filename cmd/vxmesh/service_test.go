package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// A fakeHost is a machine of a kind, in a directory. Its commands only say what they were.
type fakeHost struct {
	*host
	ran   []string
	fails map[string]error // by the first words of a command
}

func newFakeHost(t *testing.T, kind hostKind) *fakeHost {
	t.Helper()
	f := &fakeHost{host: newHost(kind), fails: map[string]error{}}
	f.root, f.program = t.TempDir(), "/opt/vxmesh/vxmesh"
	f.run = func(_ context.Context, name string, args ...string) ([]byte, error) {
		line := strings.ReplaceAll(name+" "+strings.Join(args, " "), f.root, "")
		f.ran = append(f.ran, line)
		for prefix, err := range f.fails {
			if strings.HasPrefix(line, prefix) {
				return []byte("Job failed.\n"), err
			}
		}
		return nil, nil
	}
	for _, dir := range []string{"/etc/init.d"} { // what a link needs is there where there are links
		if err := os.MkdirAll(f.root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// put makes a file.
func (f *fakeHost) put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(f.root+path), 0o755), os.WriteFile(f.root+path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func (f *fakeHost) wantRan(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, f.ran); diff != "" {
		t.Errorf("%s ran (-want +got):\n%s", f.called, diff)
	}
	f.ran = nil
}

// TestServiceWithPackage: what a package has put there is enabled, and stays when it is not any more.
func TestServiceWithPackage(t *testing.T) {
	f := newFakeHost(t, systemdKind)
	if f.ready() {
		t.Error("ready without a unit")
	}
	f.put(t, "/usr/lib/systemd/system/vxmesh@.service", "")
	if !f.ready() {
		t.Error("not ready with one")
	}
	wrote, err := f.install(t.Context(), "home")
	if err != nil || len(wrote) > 0 {
		t.Errorf("wrote %v, %v", wrote, err)
	}
	f.wantRan(t, "systemctl enable --now vxmesh@home.service")
	f.put(t, "/etc/systemd/system/multi-user.target.wants/vxmesh@home.service", "")
	if installed, running, err := f.status(t.Context(), "home"); !installed || !running || err != nil {
		t.Errorf("installed %v, running %v, %v", installed, running, err)
	}
	f.ran = nil
	removed, err := f.uninstall(t.Context(), "home")
	if err != nil || len(removed) > 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
	f.wantRan(t, "systemctl is-active --quiet vxmesh@home.service", "systemctl disable --now vxmesh@home.service")
}

// TestServiceWithoutPackage: what runs the network is written with this program's path in it, taken anew
// by the next install, and removed with the last network.
func TestServiceWithoutPackage(t *testing.T) {
	for _, c := range []struct {
		kind       hostKind
		file, text string
		links      []string
	}{
		{systemdKind, "/etc/systemd/system/vxmesh@.service", "ExecStart=/opt/vxmesh/vxmesh join /etc/vxmesh/%i.toml", nil},
		{openRCKind, "/etc/init.d/vxmesh", "command=/opt/vxmesh/vxmesh", []string{"/etc/init.d/vxmesh.my-lab"}},
		{launchdKind, "/Library/LaunchDaemons/io.vxmesh.my-lab.plist", "<string>/opt/vxmesh/vxmesh</string>", nil},
		{freeBSDKind, "/usr/local/etc/rc.d/vxmesh", `vxmesh_program:="/opt/vxmesh/vxmesh"`, nil},
		{openBSDKind, "/etc/rc.d/vxmesh_my_lab", `daemon_flags="join /etc/vxmesh/my-lab.toml"`, nil},
	} {
		f := newFakeHost(t, c.kind)
		wrote, err := f.install(t.Context(), "my-lab")
		want := []string{f.root + c.file}
		for _, link := range c.links {
			want = append(want, f.root+link)
		}
		if err != nil || !slices.Equal(wrote, want) {
			t.Errorf("%s: wrote %v, %v, want %v", c.kind.called, wrote, err, want)
			continue
		}
		text, err := os.ReadFile(f.root + c.file)
		info, statErr := os.Stat(f.root + c.file)
		if err != nil || statErr != nil || !strings.Contains(string(text), c.text) || info.Mode().Perm() != c.kind.mode {
			t.Errorf("%s has mode %v and no %s: %v, %v\n%s", c.file, info.Mode(), c.text, err, statErr, text)
		}
		if !f.shared() && strings.Contains(string(text), "NETWORK") {
			t.Errorf("%s: whose is it?\n%s", c.file, text)
		}
		if err := os.Chmod(f.root+c.file, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := f.install(t.Context(), "my-lab"); err != nil { // again
			t.Errorf("%s, again: %v", c.kind.called, err)
		}
		removed, err := f.uninstall(t.Context(), "my-lab")
		if slices.Sort(removed); err != nil || !slices.Equal(removed, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: removed %v, %v, want %v", c.kind.called, removed, err, want)
		}
	}
}

// What is not ours is neither written over nor removed, and other networks keep what runs them.
func TestServiceLeavesOthersAlone(t *testing.T) {
	f := newFakeHost(t, launchdKind)
	f.put(t, "/Library/LaunchDaemons/io.vxmesh.home.plist", "by hand")
	if _, err := f.install(t.Context(), "home"); reportOf(err).Code.Exit() != exitConflict {
		t.Errorf("over a file by hand: %v", err)
	}
	if removed, err := f.uninstall(t.Context(), "home"); err != nil || len(removed) > 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
	f = newFakeHost(t, systemdKind)
	if _, err := f.install(t.Context(), "home"); err != nil {
		t.Fatal(err)
	}
	f.put(t, "/etc/systemd/system/multi-user.target.wants/vxmesh@lab.service", "")
	if removed, err := f.uninstall(t.Context(), "home"); err != nil || len(removed) > 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
	f = newFakeHost(t, systemdKind)
	f.program = "/home/me/vxmesh"
	if _, err := f.install(t.Context(), "home"); err == nil || !strings.Contains(err.Error(), "/home/me") {
		t.Errorf("a program in a home: %v", err)
	}
}

func TestServiceFails(t *testing.T) {
	f := newFakeHost(t, systemdKind)
	f.put(t, "/lib/systemd/system/vxmesh@.service", "")
	f.fails["systemctl enable"] = errors.New("exit status 1")
	_, err := f.install(t.Context(), "home")
	e, ok := errors.AsType[*cmdError](err)
	if !ok || !strings.Contains(e.Error(), "Job failed.") || !strings.Contains(e.hints[0], "journalctl -u vxmesh@home.service") {
		t.Errorf("a service that does not start: %v", err)
	}
	f.fails["systemctl is-active"] = new(exec.ExitError)
	if installed, running, err := f.status(t.Context(), "home"); installed || running || err != nil {
		t.Errorf("installed %v, running %v, %v", installed, running, err)
	}
	f.fails["systemctl is-active"] = exec.ErrNotFound
	if _, _, err := f.status(t.Context(), "home"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("status: %v", err)
	}
}

func TestTheHost(t *testing.T) {
	here := func(paths ...string) func(string) bool {
		return func(path string) bool { return slices.Contains(paths, path) }
	}
	for _, c := range []struct {
		system, want string
		exists       func(string) bool
	}{
		{"linux", "vxmesh@a.service", here("/run/systemd/system")},
		{"linux", "vxmesh.a", here("/run/openrc/softlevel")},
		{"linux", "", here()},
		{"darwin", "io.vxmesh.a", here()},
		{"freebsd", "vxmesh a", here()},
		{"openbsd", "vxmesh_a", here()},
		{"netbsd", "", here()},
	} {
		got := ""
		if m := theHost(c.system, c.exists); m != nil {
			got = m.unit("a")
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.system, got, c.want)
		}
	}
}

// TestServiceVerbs runs each command against a machine.
func TestServiceVerbs(t *testing.T) {
	if !forMachine() {
		t.Log("only an administrator may")
		return
	}
	f := newFakeHost(t, systemdKind)
	say := func(use string, asJSON bool) (string, error) {
		i := slices.IndexFunc(serviceVerbs, func(v serviceVerb) bool { return v.use == use })
		var out strings.Builder
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		cmd.SetOut(&out)
		err := serviceVerbs[i].run(cmd, &globals{json: asJSON}, f, "home")
		return strings.ReplaceAll(out.String(), f.root, ""), err
	}
	for _, c := range []struct{ use, want string }{
		{"install", "wrote   /etc/systemd/system/vxmesh@.service\n"},
		{"start", "home (systemd, vxmesh@home.service) runs, and is not started with this machine\n"},
		{"stop", "home (systemd"},
		{"uninstall", "removed /etc/systemd/system/vxmesh@.service\n"},
	} {
		if out, err := say(c.use, false); err != nil || !strings.HasPrefix(out, c.want) {
			t.Errorf("%s: %v, %q, want %q", c.use, err, out, c.want)
		}
		out, err := say(c.use, true)
		if err != nil {
			t.Errorf("%s: %v", c.use, err)
		}
		validate(t, "service", out)
	}
	f.fails["systemctl is-active"] = new(exec.ExitError)
	if _, err := say("status", true); reportOf(err).Code.Exit() != exitNotFound {
		t.Errorf("not installed: %v", err)
	}
	f.put(t, "/etc/systemd/system/multi-user.target.wants/vxmesh@home.service", "")
	if out, err := say("status", false); reportOf(err).Code.Exit() != exitNoNode || !strings.Contains(out, "does not run") {
		t.Errorf("stopped: %v, %s", err, out)
	}
	v := serviceVerbs[0]
	if err := v.run(&cobra.Command{}, &globals{}, nil, "home"); err == nil || !strings.Contains(err.Error(), runtime.GOOS) {
		t.Errorf("without a manager: %v", err)
	}
}

func TestServedNetwork(t *testing.T) {
	for _, args := range [][]string{{"../home"}, {"./home.toml"}, {"Home"}, {"a b"}} {
		if r := vxmesh(t, append([]string{"service", "status"}, args...)...); r.code != exitUsage {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := vxmesh(t, "service", "install", "no-such-network"); r.code != exitNotFound {
		t.Errorf("%+v", r)
	}
}

// TestServiced: the unit knows a network's file by its name, so whatever is elsewhere is run by who asks.
func TestServiced(t *testing.T) {
	usual := filepath.Join(configDir(), "home.toml")
	for _, c := range []struct {
		config, state, socket string
		want                  bool
	}{
		{usual, "", "", true},
		{"/tmp/home.toml", "", "", false},
		{usual, "/tmp/state", "", false},
		{usual, "", "/tmp/home.sock", false},
	} {
		s := &setup{network: "home", config: c.config, flags: setupFlags{state: c.state}}
		want := c.want && os.Geteuid() == 0
		if got := s.serviced(&globals{socket: c.socket}); got != want {
			t.Errorf("%+v: %v, want %v", c, got, want)
		}
	}
}

// TestGoOnAsService: the command ends when the service is up, and says what it is called.
func TestGoOnAsService(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("as an ordinary user there are no services")
		return
	}
	f := newFakeHost(t, systemdKind)
	f.put(t, "/lib/systemd/system/vxmesh@.service", "")
	s := &setup{network: "home", config: filepath.Join(configDir(), "home.toml")}
	var said strings.Builder
	if err := s.goOn(t.Context(), &globals{}, &said, f, false); err != nil {
		t.Fatal(err)
	}
	f.wantRan(t, "systemctl enable --now vxmesh@home.service")
	if !strings.Contains(said.String(), "vxmesh@home.service") {
		t.Errorf("said %q", said.String())
	}
	// With --foreground, or without services, the file that is not there is what it comes to.
	err := s.goOn(t.Context(), &globals{}, &said, f, true)
	if len(f.ran) != 0 || err == nil || s.goOn(t.Context(), &globals{}, &said, nil, false) == nil {
		t.Errorf("in the foreground: ran %q, %v", f.ran, err)
	}
}
