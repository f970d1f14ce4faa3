package main

import (
	"os"
	"strings"
)

// systemdKind enables the unit of the package, or writes it.
var systemdKind = hostKind{
	called: "systemd", service: "vxmesh@NETWORK.service",
	file: "/etc/systemd/system/vxmesh@.service", mode: 0o644,
	template: "systemd/vxmesh@.service", packaged: "/usr/bin/vxmesh",
	shipped: []string{
		"/usr/local/lib/systemd/system/vxmesh@.service", "/usr/lib/systemd/system/vxmesh@.service",
		"/lib/systemd/system/vxmesh@.service",
	},
	before: [][]string{
		{"systemd-sysusers", "--inline", `u vxmesh - "vxmesh networks" /var/lib/vxmesh`},
		{"systemctl", "daemon-reload"},
	},
	enable:  [][]string{{"systemctl", "enable", "--now", "UNIT"}}, // until it is up: the unit's type says so
	disable: [][]string{{"systemctl", "disable", "--now", "UNIT"}},
	begin:   []string{"systemctl", "start", "UNIT"},
	end:     []string{"systemctl", "stop", "UNIT"},
	running: []string{"systemctl", "is-active", "--quiet", "UNIT"},
	enabled: "/etc/systemd/system/multi-user.target.wants/UNIT",
	others:  "/etc/systemd/system/*.wants/vxmesh@*.service",
	why:     "journalctl -u UNIT -n 20",
}

// openRCKind links the script of the package, or writes it first.
var openRCKind = hostKind{
	called: "OpenRC", service: "vxmesh.NETWORK",
	file: "/etc/init.d/vxmesh", mode: 0o755,
	template: "openrc/vxmesh", packaged: "/usr/bin/vxmesh",
	link: "/etc/init.d/UNIT",
	before: [][]string{{"sh", "-c", "getent passwd vxmesh >/dev/null || { addgroup -S vxmesh && " +
		"adduser -S -D -H -h /var/lib/vxmesh -s /sbin/nologin -G vxmesh vxmesh; }"}},
	enable:  [][]string{{"rc-update", "add", "UNIT", "default"}, {"rc-service", "UNIT", "start"}},
	disable: [][]string{{"rc-service", "--ifstarted", "UNIT", "stop"}, {"rc-update", "del", "UNIT", "default"}},
	begin:   []string{"rc-service", "UNIT", "start"},
	end:     []string{"rc-service", "UNIT", "stop"},
	running: []string{"rc-service", "UNIT", "status"},
	enabled: "/etc/runlevels/default/UNIT",
	others:  "/etc/runlevels/*/vxmesh.*",
	why:     "tail /var/log/messages",
}

// launchdKind writes a file for each network.
var launchdKind = hostKind{
	called: "launchd", service: "io.vxmesh.NETWORK",
	file: "/Library/LaunchDaemons/UNIT.plist", mode: 0o644,
	template: "launchd/io.vxmesh.NETWORK.plist", packaged: "/usr/local/bin/vxmesh",
	enable:  [][]string{{"launchctl", "enable", "system/UNIT"}, {"launchctl", "bootstrap", "system", "FILE"}},
	disable: [][]string{{"sh", "-c", "launchctl bootout system/UNIT 2>/dev/null || true"}},
	begin:   []string{"launchctl", "kickstart", "system/UNIT"},
	end:     []string{"launchctl", "kill", "SIGTERM", "system/UNIT"}, // it ends with 0, and so is left alone
	running: []string{"sh", "-c", "launchctl print system/UNIT | grep -q 'state = running'"},
	enabled: "/Library/LaunchDaemons/UNIT.plist",
	why:     "tail /var/log/vxmesh.NETWORK.log",
}

// freeBSDKind adds the network to those in rc.conf.
var freeBSDKind = hostKind{
	called: "rc.d", service: "vxmesh NETWORK",
	file: "/usr/local/etc/rc.d/vxmesh", mode: 0o755,
	template: "rc.d/freebsd", packaged: "/usr/local/bin/vxmesh",
	enable: [][]string{
		{"sysrc", "vxmesh_enable=YES", "vxmesh_networks+=NETWORK"}, {"service", "vxmesh", "start", "NETWORK"},
	},
	disable: [][]string{{"service", "vxmesh", "stop", "NETWORK"}, {"sysrc", "vxmesh_networks-=NETWORK"}},
	begin:   []string{"service", "vxmesh", "start", "NETWORK"},
	end:     []string{"service", "vxmesh", "stop", "NETWORK"},
	running: []string{"service", "vxmesh", "status", "NETWORK"},
	ask:     []string{"sysrc", "-n", "vxmesh_networks"},
	others:  "/usr/local/etc/vxmesh/*.toml", // the script stays while there is anything that it may run
	why:     "tail /var/log/daemon.log",
}

// openBSDKind writes a script for each network, whose name is that of a variable as well.
var openBSDKind = hostKind{
	called: "rc.d", service: "vxmesh_NETWORK", spelled: strings.NewReplacer("-", "_"),
	file: "/etc/rc.d/UNIT", mode: 0o555,
	template: "rc.d/openbsd", packaged: "/usr/local/bin/vxmesh",
	enable:  [][]string{{"rcctl", "enable", "UNIT"}, {"rcctl", "start", "UNIT"}},
	disable: [][]string{{"rcctl", "stop", "UNIT"}, {"rcctl", "disable", "UNIT"}},
	begin:   []string{"rcctl", "start", "UNIT"},
	end:     []string{"rcctl", "stop", "UNIT"},
	running: []string{"rcctl", "check", "UNIT"},
	enabled: "/etc/rc.d/UNIT",
	why:     "tail /var/log/daemon",
}

// theHost is the manager of a system that is told by files and commands; nil for none that we know.
func theHost(system string, exists func(path string) bool) serviceManager {
	switch {
	case system == "linux" && exists("/run/systemd/system"): // sd_booted(3)
		return newHost(systemdKind)
	case system == "linux" && exists("/run/openrc/softlevel"):
		return newHost(openRCKind)
	case system == "darwin":
		return newHost(launchdKind)
	case system == "freebsd":
		return newHost(freeBSDKind)
	case system == "openbsd":
		return newHost(openBSDKind)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
