package main

import (
	"github.com/spf13/cobra"
)

// completionShells are the shells, with the lines that install their script.
var completionShells = []struct {
	name    string
	install string
	write   func(root *cobra.Command, cmd *cobra.Command) error
}{
	{
		"bash", "  apt install bash-completion           # the script needs it\n" +
			"  vxmesh completion bash | sudo tee /etc/bash_completion.d/vxmesh\n" +
			"  source <(vxmesh completion bash)      # this shell alone",
		func(root, cmd *cobra.Command) error { return root.GenBashCompletionV2(cmd.OutOrStdout(), true) },
	},
	{
		"zsh", "  vxmesh completion zsh | sudo tee /usr/local/share/zsh/site-functions/_vxmesh\n" +
			"  source <(vxmesh completion zsh)       # this shell alone, after compinit",
		func(root, cmd *cobra.Command) error { return root.GenZshCompletion(cmd.OutOrStdout()) },
	},
	{
		"fish", "  vxmesh completion fish > ~/.config/fish/completions/vxmesh.fish\n" +
			"  vxmesh completion fish | source       # this shell alone",
		func(root, cmd *cobra.Command) error { return root.GenFishCompletion(cmd.OutOrStdout(), true) },
	},
	{
		"powershell", "  vxmesh completion powershell >> $PROFILE\n" +
			"  vxmesh completion powershell | Out-String | Invoke-Expression",
		func(root, cmd *cobra.Command) error {
			return root.GenPowerShellCompletionWithDesc(cmd.OutOrStdout())
		},
	},
}

func newCompletionCmd(*globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion",
		Short: "Print a script that completes commands, peers and networks in a shell",
		Long: "Prints a script for a shell that completes commands and flags, and the names of peers,\n" +
			"networks, addresses and files as they are at that moment. Packages install it.",
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for i, s := range completionShells {
		if i > 0 {
			cmd.Example += "\n"
		}
		cmd.Example += s.install
		cmd.AddCommand(&cobra.Command{
			Use: s.name, Short: "Print the script for " + s.name, Example: s.install, Args: takes(0, 0),
			RunE: func(cmd *cobra.Command, _ []string) error { return s.write(cmd.Root(), cmd) },
		})
	}
	return cmd
}
