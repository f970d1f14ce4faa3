package main

import (
	"os/exec"
	"strings"
)

const n2nPort = "7654"

// n2n has its supernode on host 1, where the edges only meet: what they carry goes directly.
func n2n(b *builder, n *network) error {
	a := n.hosts[0]
	super := []string{"supernode", "-l", n2nPort}
	if err := a.start(foreground(b, super)...); err != nil {
		return err
	}
	return n.each(func(h *host) error {
		edge := []string{
			"edge", "-d", overlay, "-a", h.inner(), "-c", "bench", "-k", "bench",
			"-l", a.outer() + ":" + n2nPort,
		}
		if err := h.start(foreground(b, edge)...); err != nil {
			return err
		}
		return h.setUp()
	})
}

// foreground adds the option that keeps a program from going into the background, which since its
// second version is -f; in the first that option did the opposite.
func foreground(b *builder, args []string) []string {
	out, _ := exec.CommandContext(b.ctx, args[0], "-h").CombinedOutput() // help is no success to all
	if strings.Contains(string(out), "n2n v.1.") {
		return args
	}
	return append(args, "-f")
}
