package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A commandList is what `help --json` prints: the program with all that is below it.
type commandList struct {
	Schema  string      `json:"schema"`
	Version string      `json:"version"`
	Command commandInfo `json:"command"`
}

// A commandInfo is one command.
type commandInfo struct {
	Name     string                    `json:"name"`
	Usage    string                    `json:"usage"` // the whole line
	Short    string                    `json:"short"`
	Long     string                    `json:"long"`    // "" when there is no more to say
	Example  string                    `json:"example"` // lines
	Flags    control.List[flagInfo]    `json:"flags"`   // those of every command stand at the first alone
	Commands control.List[commandInfo] `json:"commands"`
}

// A flagInfo is one flag of a command.
type flagInfo struct {
	Name      string `json:"name"`      // without --
	Shorthand string `json:"shorthand"` // a letter, or ""
	Type      string `json:"type"`
	Default   string `json:"default"`
	Usage     string `json:"usage"`
}

func commandTree(root *cobra.Command) commandList {
	return commandList{"vxmesh.commands/1", thisVersion().Version, commandOf(root)}
}

func commandOf(c *cobra.Command) commandInfo {
	info := commandInfo{
		Name: c.Name(), Usage: c.UseLine(), Short: c.Short, Long: c.Long, Example: c.Example,
	}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			info.Flags = append(info.Flags, flagInfo{f.Name, f.Shorthand, f.Value.Type(), f.DefValue, f.Usage})
		}
	})
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			info.Commands = append(info.Commands, commandOf(sub))
		}
	}
	return info
}
