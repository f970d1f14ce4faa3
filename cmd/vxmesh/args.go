package main

import "github.com/spf13/cobra"

// takes refuses any other number of arguments, in words.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		n := len(args)
		switch {
		case least <= n && n <= most:
			return nil
		case most == 0:
			return usageError(cmd, "`%s` takes no argument, and %q is one", cmd.CommandPath(), args[0])
		case n > most:
			return usageError(cmd, "`%s` takes no more than %s, and %q is one too many",
				cmd.CommandPath(), plural(most, "argument", "arguments"), args[most])
		}
		return usageError(cmd, "something is missing: `%s`", cmd.UseLine())
	}
}
