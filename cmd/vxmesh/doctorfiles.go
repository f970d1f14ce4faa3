package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/internal/suggest"
)

// checkConfig looks at the file, and whether what runs is what it says.
func checkConfig(_ context.Context, p *patient) []finding {
	switch {
	case p.path == "" && p.node != nil:
		return skip("the node's file %s is not to be found from here", p.node.Config.File)
	case p.path == "":
		return skip("there is no network in %s: vxmesh init NETWORK makes one, vxmesh join INVITATION joins one",
			configDir())
	case errors.Is(p.cfgErr, fs.ErrPermission):
		return []finding{warn("sudo vxmesh doctor", "%s is not for this user to read: much is left out", p.path)}
	case p.cfgErr != nil:
		return []finding{p.brokenConfig()}
	}
	var found []finding
	if p.node != nil {
		info, err := p.sys.stat(p.path)
		if err == nil && info.ModTime().After(p.node.Config.LoadedAt) {
			found = append(found, warn("vxmesh reload", "%s is newer than what runs", p.path))
		}
		if !p.node.Config.ReloadSuccessful {
			found = append(found, fail("vxmesh config check "+p.path, "the last reload was refused: %s",
				p.node.Config.ReloadError))
		}
	}
	return orOkay(found, "%s, 0 errors", p.path)
}

// brokenConfig is a file that cannot be read, or is not valid.
func (p *patient) brokenConfig() finding {
	if problems, ok := errors.AsType[config.Errors](p.cfgErr); ok {
		first := problems[0]
		return fail("vxmesh config check "+p.path, "%s has %s, the first in line %d: %s",
			p.path, count(problems), first.Line, first.Message)
	}
	f := fail("", "%v", p.cfgErr)
	if hints := reportOf(p.cfgErr).Fix; len(hints) > 0 {
		f.fix = hints[0]
	}
	if near := nearNetwork(p.path); near != "" {
		f.fix = "did you mean " + near + "?"
	}
	return f
}

// nearNetwork is the network whose name is like that of a file that there is not; "" for none.
func nearNetwork(path string) string {
	files, err := configFiles("")
	if err != nil {
		return ""
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".toml"))
	}
	return suggest.Nearest(strings.TrimSuffix(filepath.Base(path), ".toml"), names)
}

// checkPermissions looks at who may do and read what.
func checkPermissions(_ context.Context, p *patient) []finding {
	if p.cfg == nil {
		return skip("without a config there is nothing to look at")
	}
	var found []finding
	if p.sys.os != "windows" {
		found = append(found, p.configMode()...)
		found = append(found, p.stateModes()...)
	}
	switch p.sys.os {
	case "linux":
		if p.devices() {
			found = append(found, p.tunDevice()...)
		}
	case "freebsd", "openbsd", "darwin":
		if p.devices() {
			found = append(found, p.rootDevice()...)
		}
	}
	return orOkay(found, "files of keys are their owner's alone%s", p.mayText())
}

// configMode: who can write the file says what the daemon does.
func (p *patient) configMode() []finding {
	info, err := p.sys.stat(p.path)
	if err != nil || info.Mode().Perm()&0o022 == 0 {
		return nil
	}
	f := fail("chmod go-w "+p.path, "%s can be written by others than its owner (%04o)", p.path, info.Mode().Perm())
	return []finding{p.withMode(f, p.path, info.Mode().Perm()&^0o022)}
}

// stateModes looks at the directory of the state and at the files with keys.
func (p *patient) stateModes() (found []finding) {
	state := stateDir(p.cfg)
	if info, err := p.sys.stat(state); err == nil && info.Mode().Perm()&0o077 != 0 {
		f := warn("chmod 700 "+state, "%s is open to others than its owner (%04o)", state, info.Mode().Perm())
		found = append(found, p.withMode(f, state, 0o700))
	}
	for _, path := range p.keyFiles() {
		info, err := p.sys.stat(path)
		if errors.Is(err, fs.ErrPermission) {
			return append(found, skip("%s is not for this user to look at: sudo vxmesh doctor", state)...)
		}
		if err != nil {
			found = append(found, fail("", "%v", err))
			continue
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			f := fail("chmod 600 "+path+"; if somebody may have read it, leave and join again",
				"%s can be read by others than its owner (%04o)", path, mode)
			found = append(found, p.withMode(f, path, 0o600))
		}
		if uid, ok := p.sys.owner(info); ok && p.sys.euid > 0 && p.node == nil && uid != p.sys.euid {
			found = append(found, warn(fmt.Sprintf("run vxmesh as user %d, or chown the file", uid),
				"%s belongs to user %d, and this is user %d", path, uid, p.sys.euid))
		}
	}
	return found
}

// withMode adds that a mode can be set by itself.
func (p *patient) withMode(f finding, path string, mode fs.FileMode) finding {
	f.does = fmt.Sprintf("mode of %s set to %04o", path, mode)
	f.mend = func() error { return p.sys.chmod(path, mode) }
	return f
}

const tunPath = "/dev/net/tun"

// tunDevice looks at what making a device takes.
func (p *patient) tunDevice() []finding {
	if _, err := p.sys.stat(tunPath); err != nil {
		return []finding{fail("modprobe tun; in a container, pass the device in", "there is no %s", tunPath)}
	}
	if p.mayMakeDevices() {
		return nil
	}
	if p.node != nil {
		return []finding{fail("setcap cap_net_admin+ep on the program, or run it as root",
			"the node (pid %d) has no CAP_NET_ADMIN", p.node.PID)}
	}
	return []finding{warn("sudo vxmesh join, or as a service: systemctl start vxmesh@"+p.network,
		"this user may not make devices: no CAP_NET_ADMIN")}
}

// mayMakeDevices reports whether the node, or else this user, has CAP_NET_ADMIN. What cannot be told
// counts as yes.
func (p *patient) mayMakeDevices() bool {
	const capNetAdmin = 12
	status := "/proc/self/status"
	if p.node != nil {
		status = fmt.Sprintf("/proc/%d/status", p.node.PID)
	}
	text, err := p.sys.readFile(status)
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err != nil || caps>>capNetAdmin&1 == 1
		}
	}
	return true
}

func (p *patient) mayText() string {
	if p.sys.os != "linux" || !p.devices() {
		return ""
	}
	return ", CAP_NET_ADMIN, " + tunPath
}
