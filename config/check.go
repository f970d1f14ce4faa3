package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// check reports every value that its own type accepts but that makes no sense where it stands.
func (d *document) check(c *Config) {
	d.checkNetwork(&c.Network)
	d.checkListen("listen.mesh", c.Listen.Mesh)
	d.checkListen("listen.vxlan", c.Listen.VXLAN)
	d.checkPatterns("listen.interfaces.allow", c.Listen.Interfaces.Allow)
	d.checkPatterns("listen.interfaces.deny", c.Listen.Interfaces.Deny)
	d.checkSegments(c)
	d.checkPeers(c.Peers)
	d.checkControl(&c.Control)
	d.checkPath("network.state", c.Network.State)
	if c.Security.Identity == "" {
		d.report("security.identity", `the default is "identity.key"`, "a file name is needed")
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

// checkPatterns refuses patterns that match nothing because they are malformed.
func (d *document) checkPatterns(path string, patterns []string) {
	for i, p := range patterns {
		if _, err := filepath.Match(p, ""); err != nil {
			d.report(fmt.Sprintf("%s[%d]", path, i), "", "%q is not a pattern", p)
		}
	}
}

func (d *document) checkPeers(peers []Peer) {
	names, keys := make(map[string]bool), make(map[Key]bool)
	for i, p := range peers {
		path := fmt.Sprintf("peers[%d]", i)
		switch {
		case p.Name == "":
			d.report(path+".name", `name = "nas", for example`, "required, and not there")
		case !isNodeName(p.Name):
			d.report(path+".name", "", "%q is not a host name", p.Name)
		case names[p.Name]:
			d.report(path+".name", "", "%q is there twice", p.Name)
		}
		switch {
		case !d.has(path + ".key"):
			d.report(path+".key", "`vxmesh key show` on that node prints it", "required, and not there")
		case keys[p.Key] && d.good(path+".key"):
			d.report(path+".key", "", "another peer has this key")
		}
		names[p.Name] = true
		if d.good(path + ".key") {
			keys[p.Key] = true
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
