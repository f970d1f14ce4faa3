package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
)

func newConfigCmd(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Check, show or make a configuration file",
		Example: "  vxmesh config example > home.toml\n  vxmesh config check home.toml",
		Args:    noSuchCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheckCmd(g), newConfigShowCmd(g), newConfigExampleCmd())
	return cmd
}

func newConfigCheckCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "check [FILE...]",
		Short:   "Report everything wrong with a file, with line and column",
		Example: "  vxmesh config check home.toml\n  vxmesh config check - < home.toml",
		Long: "Reports everything wrong with each file, and ends with exit code 3 when there is\n" +
			"anything. Without FILE it checks the network that --network names, or all of them;\n" +
			"- is the standard input.",
		RunE: func(cmd *cobra.Command, args []string) error { return checkConfigs(cmd, g, args) },
	}
}

// A configCheck is what `config check --json` prints.
type configCheck struct {
	Schema string      `json:"schema"`
	Files  []fileCheck `json:"files"`
}

// A fileCheck is what is wrong with one file; no problems are an empty list. A file with problems has
// no warnings.
type fileCheck struct {
	File     string           `json:"file"`
	Problems config.Errors    `json:"problems"`
	Warnings []config.Warning `json:"warnings"`
}

func checkConfigs(cmd *cobra.Command, g *globals, args []string) error {
	if len(args) == 0 {
		var err error
		if args, err = configFiles(g.network); err != nil {
			return err
		}
	}
	var checks []fileCheck
	wrong := 0
	for _, arg := range args {
		cfg, err := readConfig(cmd.InOrStdin(), arg)
		problems, ok := errors.AsType[config.Errors](err)
		if err != nil && !ok {
			return err
		}
		check := fileCheck{configPath(arg), problems, []config.Warning{}}
		if ok {
			wrong++
		} else {
			check.Problems, check.Warnings = config.Errors{}, cfg.Warnings()
		}
		checks = append(checks, check)
	}
	if err := printChecks(cmd, g, checks); err != nil || wrong == 0 {
		return err
	}
	return &cmdError{code: exitConfig}
}

func printChecks(cmd *cobra.Command, g *globals, checks []fileCheck) error {
	if g.json {
		return printJSON(cmd.OutOrStdout(), configCheck{"vxmesh.config_check/1", checks})
	}
	for _, c := range checks {
		text := c.File + ": ok"
		out := cmd.OutOrStdout()
		if len(c.Problems) > 0 {
			text, out = fmt.Sprintf("%v\n%s: %s", c.Problems, c.File, count(c.Problems)), cmd.ErrOrStderr()
		}
		for _, w := range c.Warnings {
			text += fmt.Sprintf("\n%s: warning: %s: %s; write %s", c.File, w.Key, w.Message, w.Fix)
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	return nil
}

// A configShow is what `config show --json` prints.
type configShow struct {
	Schema string         `json:"schema"`
	Config *config.Config `json:"config"`
}

func newConfigShowCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "show [FILE]",
		Short:   "Print a file with every default written out",
		Example: "  vxmesh config show home.toml\n  vxmesh config show --json home.toml",
		Args:    takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				files, err := configFiles(g.network)
				if err != nil {
					return err
				}
				if len(files) > 1 {
					return usageError(cmd, "there are %d networks; name one", len(files))
				}
				args = files
			}
			cfg, err := readConfig(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), configShow{"vxmesh.config/1", cfg})
			}
			_, err = io.WriteString(cmd.OutOrStdout(), cfg.Show())
			return err
		},
	}
}

func newConfigExampleCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Print a commented file to start from",
		Example: "  vxmesh config example > home.toml",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), config.Example())
			return err
		},
	}
}

// readConfig reads the file or network that arg names, or stdin for "-".
func readConfig(stdin io.Reader, arg string) (*config.Config, error) {
	if arg == "-" {
		return config.Read(configPath(arg), stdin)
	}
	path := configPath(arg)
	cfg, err := config.Load(path)
	return cfg, fileError(path, err)
}

// fileError gives an error of opening a config file the exit code and the advice that belong to it.
func fileError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &cmdError{
			code: exitNotFound, err: fmt.Errorf("there is no file %s", path),
			hints: []string{"`vxmesh config example > home.toml` makes one to start from"},
		}
	case errors.Is(err, fs.ErrPermission):
		hint := "use sudo"
		if os.Getenv("INVOCATION_ID") != "" && os.Geteuid() > 0 { // systemd runs us, as a user of its own
			hint = "let the service's user read it   chmod 644 " + path
		}
		return &cmdError{code: exitPermission, err: err, hints: []string{hint}}
	}
	return err
}

// printJSON writes v as one indented JSON object.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
