package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelpShowsExamplesFirst asks every command there is for its help.
func TestHelpShowsExamplesFirst(t *testing.T) {
	eachCommand(newRootCmd(&globals{}), func(c *cobra.Command) {
		if c.Name() == "completion" || c.Name() == "help" {
			return
		}
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		r := vxmesh(t, args...)
		example, usage := strings.Index(r.out, "Examples:\n"), strings.Index(r.out, "Usage:\n")
		if r.code != exitOK || example < 0 || usage < example {
			t.Errorf("%s: code %d, examples at %d, usage at %d", c.CommandPath(), r.code, example, usage)
		}
		if example >= 0 && !strings.Contains(r.out[example:max(example, usage)], c.CommandPath()) &&
			c.HasParent() {
			t.Errorf("%s: no example of it:\n%s", c.CommandPath(), r.out)
		}
	})
}

func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, f)
	}
}
