package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/internal/suggest"
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
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if not .HasParent}}

More help: vxmesh help COMMAND, or one of these topics
  vxmesh help exit-codes|filters|json|environment|paths{{end}}
`

// shortHelp is what `vxmesh` alone prints: how to begin, and where the rest is.
const shortHelp = `%s

  sudo vxmesh init NETWORK --start   make a network here, and an invitation to it
  sudo vxmesh join vxm1...           join it, on the next machine
  vxmesh status                      see how it is doing

Something is wrong: vxmesh doctor. Without invitations: vxmesh config example
prints a file to start from.

All commands: vxmesh help. More about one of them: vxmesh help COMMAND.
`

func printHelp(root *cobra.Command) error {
	_, err := fmt.Fprintf(root.OutOrStdout(), shortHelp, root.Short)
	return err
}

// newHelpCmd is `vxmesh help COMMAND`, which refuses a command that there is not. With --json it
// prints all commands, which is what the manual pages are made of.
func newHelpCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND...|TOPIC]",
		Short: "Say more about a command or a topic",
		Long: "Says more about a command, or about a topic: " + strings.Join(topicNames(), ", ") + ".\n" +
			"With --json it prints every command with its flags.",
		Example: "  vxmesh help\n  vxmesh help config check\n  vxmesh help exit-codes",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return helpWords(cmd.Root(), args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			if g.json && len(args) == 0 {
				return printJSON(out, commandTree(root))
			}
			if text, ok := topicText(args); ok {
				_, err := io.WriteString(out, text)
				return err
			}
			found, rest, err := root.Find(args)
			switch {
			case len(rest) > 0:
				return noSuchHelp(found, rest)
			case err != nil:
				return usageError(cmd, "%v", err)
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

// noSuchHelp refuses what is neither a command nor a topic.
func noSuchHelp(found *cobra.Command, rest []string) error {
	if near := suggest.Nearest(rest[0], topicNames()); near != "" && !found.HasParent() {
		return &cmdError{
			code: exitUsage, err: fmt.Errorf("there is no help on %q; did you mean %q?", rest[0], near),
		}
	}
	return noSuchCommand(found, rest)
}

// helpWords are what help can be asked for next.
func helpWords(root *cobra.Command, args []string) (words []string) {
	found, rest, err := root.Find(args)
	if err != nil || len(rest) > 0 {
		return nil
	}
	for _, c := range found.Commands() {
		if c.IsAvailableCommand() {
			words = append(words, c.Name()+"\t"+c.Short)
		}
	}
	if len(args) == 0 {
		words = append(words, topicNames()...)
	}
	return words
}
