package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// fastdMTU is what its manual works out for Ethernet over IPv4 on a 1500-byte link with any method
// that encrypts: 28 bytes of IP and UDP, 24 of its own, 14 of Ethernet.
const fastdMTU = 1500 - 28 - 24 - 14

const fastdConfig = `log level warn;
mode tap;
interface "%s";
mtu %d;
method "salsa2012+umac";
secret "%s";
bind %s:10000;
peer "other" {
	key "%s";
	remote %s:10000;
}
`

func fastd(b *builder, n *network) error {
	var secret, public [2]string
	for i := range n.hosts {
		out, err := exec.CommandContext(b.ctx, "fastd", "--generate-key").Output()
		if err != nil {
			return fmt.Errorf("fastd --generate-key: %w", err)
		}
		secret[i], public[i] = field(string(out), "Secret"), field(string(out), "Public")
	}
	for i, h := range n.hosts {
		file, err := h.write("fastd.conf", fmt.Sprintf(fastdConfig, overlay, fastdMTU,
			secret[i], h.outer(), public[1-i], h.other()))
		if err != nil {
			return err
		}
		if err := h.start("fastd", "--config", file); err != nil {
			return err
		}
		if err := h.setUp(); err != nil {
			return err
		}
	}
	return nil
}

// field is what stands behind a name and a colon on a line; empty when there is no such line.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+": "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
