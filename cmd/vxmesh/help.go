package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// helpTemplate is what --help prints: what the command does, and examples before everything else,
// because most people look for the line to copy.
const helpTemplate = `{{with or .Long .Short}}{{. | trimTrailingWhitespaces}}

{{end}}{{if .HasExample}}Examples:
{{.Example}}

{{end}}{{.UsageString}}`

// usageTemplate is the rest of the help: the form of the command, what is below it, its flags.
const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`

// printHelp prints the short help that `vxmesh` alone gives.
func printHelp(root *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", root.Short)
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "completion" {
			fmt.Fprintf(&b, "  vxmesh %-12s %s\n", c.Name(), c.Short)
		}
	}
	b.WriteString("\n`vxmesh config example` prints a file to start from, " +
		"`vxmesh COMMAND --help` says more.\n")
	_, err := io.WriteString(root.OutOrStdout(), b.String())
	return err
}

// newHelpCmd is `vxmesh help COMMAND`, which refuses a command that there is not.
func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND...]",
		Short:   "Say more about a command",
		Example: "  vxmesh help config check",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			switch {
			case len(rest) > 0:
				return noSuchCommand(found, rest)
			case err != nil:
				return usageError(cmd, "%v", err)
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}
