package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/internal/suggest"
)

// help prints what --help does: what the command does, and examples before everything else, because
// most people look for the line to copy. It is no template, because a program with text/template in it
// has to keep every exported method of every type, which is some megabytes.
func help(cmd *cobra.Command, _ []string) {
	out := cmd.OutOrStdout()
	if about := strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)); about != "" {
		_, _ = fmt.Fprintf(out, "%s\n\n", about)
	}
	if cmd.HasExample() {
		_, _ = fmt.Fprintf(out, "Examples:\n%s\n\n", cmd.Example)
	}
	_, _ = io.WriteString(out, usageText(cmd))
}

// usage prints the rest of the help.
func usage(cmd *cobra.Command) error {
	_, err := io.WriteString(cmd.OutOrStderr(), usageText(cmd))
	return err
}

// usageText is the form of the command, what is below it, its flags.
func usageText(cmd *cobra.Command) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("Usage:")
	if cmd.Runnable() {
		line("  %s", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		line("  %s COMMAND\n\nCommands:", cmd.CommandPath())
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				line("  %-*s %s", c.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	if cmd.HasAvailableLocalFlags() {
		line("\nFlags:\n%s", strings.TrimRight(cmd.LocalFlags().FlagUsages(), " \n"))
	}
	if cmd.HasAvailableInheritedFlags() {
		line("\nFlags of every command:\n%s", strings.TrimRight(cmd.InheritedFlags().FlagUsages(), " \n"))
	}
	if !cmd.HasParent() {
		line("\nMore help: vxmesh help COMMAND, or one of these topics")
		line("  vxmesh help %s", strings.Join(topicNames(), "|"))
	}
	return b.String()
}

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
