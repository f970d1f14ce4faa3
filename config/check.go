package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// check reports every value that its own type accepts but that makes no sense where it stands.
func (d *document) check(c *Config) {
	d.checkNetwork(&c.Network)
	d.checkListen("listen.mesh", c.Listen.Mesh)
	d.checkListen("listen.vxlan", c.Listen.VXLAN)
	d.checkPatterns("listen.interfaces.allow", c.Listen.Interfaces.Allow)
	d.checkPatterns("listen.interfaces.deny", c.Listen.Interfaces.Deny)
	d.checkPorts(c)
	d.checkSegments(c)
	d.checkPeers(c)
	d.checkControl(&c.Control)
	d.checkPath("network.state", c.Network.State)
	d.checkIdentity(c.Security.Identity)
}

// checkIdentity wants a file in the state directory, or one that does not depend on where the
// program was started.
func (d *document) checkIdentity(name string) {
	const path, hint = "security.identity", `the default is "identity.key"`
	switch {
	case name == "":
		d.report(path, hint, "a file name is needed")
	case filepath.IsAbs(name):
	case name != filepath.Base(name) || name == "." || name == "..":
		d.report(path, hint, "%q is neither the name of a file nor an absolute path", name)
	case name == "epoch": // which counts the node's starts
		d.report(path, hint, "%q is the name of another file in the state directory", name)
	}
}

var networkName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (d *document) checkNetwork(n *Network) {
	if !d.has("network.name") {
		d.report("network.name", `add name = "home" below [network]`, "required, and not there")
	} else if !networkName.MatchString(n.Name) {
		d.report("network.name", "", "%q is not 1 to 32 of a-z, 0-9 and -", n.Name)
	}
	if n.Node != "" && !isNodeName(n.Node) {
		d.report("network.node", "", "%q is not a host name", n.Node)
	}
}

// checkListen refuses addresses of which the second could never be bound.
func (d *document) checkListen(path string, addrs []ListenAddr) {
	for i, a := range addrs {
		for j, b := range addrs[:i] {
			if d.bad[fmt.Sprintf("%s[%d]", path, j)] || !a.covers(b) && !b.covers(a) {
				continue
			}
			d.report(fmt.Sprintf("%s[%d]", path, i), "", "%q and %q overlap", b, a)
			break
		}
	}
}

// checkPorts refuses addresses that the mesh and the plain leg would both have, where both are there.
func (d *document) checkPorts(c *Config) {
	plain := slices.ContainsFunc(c.Segments, func(s Segment) bool { return s.VXLAN != nil })
	if !plain || len(c.Peers) == 0 {
		return
	}
	for i, m := range c.Listen.Mesh {
		for j, v := range c.Listen.VXLAN {
			if d.bad[fmt.Sprintf("listen.vxlan[%d]", j)] || !m.covers(v) && !v.covers(m) {
				continue
			}
			d.report(fmt.Sprintf("listen.mesh[%d]", i), "the mesh needs a port of its own",
				"%q and %q of listen.vxlan overlap", m, v)
			break
		}
	}
}

// checkPatterns refuses patterns that match nothing because they are malformed.
func (d *document) checkPatterns(path string, patterns []string) {
	for i, p := range patterns {
		if _, err := filepath.Match(p, ""); err != nil {
			d.report(fmt.Sprintf("%s[%d]", path, i), "", "%q is not a pattern", p)
		}
	}
}

// maxSocketPath is the longest path of a Unix socket that every system takes (sockaddr_un).
const maxSocketPath = 103

func (d *document) checkControl(c *Control) {
	d.checkPath("control.socket", c.Socket)
	if len(c.Socket) > maxSocketPath {
		d.report("control.socket", "", "the path is longer than %d bytes", maxSocketPath)
	}
	if strings.ContainsAny(c.Group, " :/") {
		d.report("control.group", "", "%q is not the name of a group", c.Group)
	}
}

// checkPath wants "auto" or a path that does not depend on where the program was started.
func (d *document) checkPath(path, value string) {
	if value != "auto" && !filepath.IsAbs(value) && !strings.HasPrefix(value, `\\`) {
		d.report(path, "", `%q is not "auto" or an absolute path`, value)
	}
}
