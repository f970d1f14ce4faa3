package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui"
	"github.com/vxmesh/vxmesh/ui/demo"
	"github.com/vxmesh/vxmesh/ui/screen"
	"github.com/vxmesh/vxmesh/ui/view"
)

// tuiFlags say how the terminal UI begins.
type tuiFlags struct {
	demo, readOnly, noMouse, keys bool
	replay, screen, theme         string
}

// demoSeed is the seed of the simulated network: it is the same every time.
const demoSeed = 1

func newTUICmd(g *globals) *cobra.Command {
	var f tuiFlags
	cmd := &cobra.Command{
		Use:   "tui [NETWORK]",
		Short: "Show the network in the terminal: peers, FDB, stats, map and log",
		Long: "Shows a running network, and changes it: peers and how they are reached, the FDB, traffic,\n" +
			"what is wrong and what helps. It is a client of the node's control socket: it needs no root\n" +
			"and works over SSH. Keys are shown by ?, and can be changed in ~/.config/vxmesh/tui.toml:\n" +
			"[keys], an action of --keys = its keys.",
		Example: "  vxmesh tui\n  vxmesh tui home --screen peers\n  vxmesh tui --demo\n" +
			"  vxmesh events --json --topics all > monday.ndjson; vxmesh tui --replay monday.ndjson",
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				g.network = args[0]
			}
			return runTUI(cmd, g, &f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.demo, "demo", false, "show a simulated network: no root, no node")
	flags.StringVar(&f.replay, "replay", "", "show a recording of vxmesh events --json, a `file`")
	flags.StringVar(&f.screen, "screen", "", "begin with this screen: "+strings.Join(pageNames(), ", "))
	flags.StringVar(&f.theme, "theme", "", "colours: "+strings.Join(view.Names(), ", "))
	flags.BoolVar(&f.readOnly, "read-only", false, "change nothing")
	flags.BoolVar(&f.noMouse, "no-mouse", false, "leave the mouse to the terminal")
	flags.BoolVar(&f.keys, "keys", false, "print the names of all actions and their keys")
	return cmd
}

func pageNames() (names []string) {
	for p := screen.Overview; p.String() != screen.Everywhere.String(); p++ {
		names = append(names, strings.ToLower(p.String()))
	}
	return names
}

func runTUI(cmd *cobra.Command, g *globals, f *tuiFlags) error {
	settings, err := readTUIConfig(tuiConfigPath())
	if err != nil {
		return err
	}
	first, err := f.screenOptions(cmd, settings)
	if err != nil {
		return err
	}
	if f.keys {
		return printKeys(cmd.OutOrStdout(), first, settings)
	}
	if err := terminalError(cmd); err != nil {
		return err
	}
	o := ui.Options{
		Screen: first, Keys: settings.Keys, Networks: knownNetworks, Command: ownCommand,
		Launch: launch, Authorize: authorize, Remember: rememberTUI,
		StartDemo: func(ctx context.Context) control.Client { return demo.Start(ctx, demoSeed) },
	}
	if err := f.source(cmd, g, &o); err != nil {
		return err
	}
	if closer, ok := o.Replay.(io.Closer); ok {
		defer func() { _ = closer.Close() }()
	}
	return runUI(cmd.Context(), cmd, o)
}

// show shows a node of a simulated network until it is left or ctx ends. It starts and changes nothing of this
// machine.
func (f *tuiFlags) show(ctx context.Context, cmd *cobra.Command, c control.Client) error {
	settings, err := readTUIConfig(tuiConfigPath())
	if err != nil {
		return err
	}
	first, err := f.screenOptions(cmd, settings)
	if err != nil {
		return err
	}
	return runUI(ctx, cmd, ui.Options{Screen: first, Keys: settings.Keys, Client: c, Demo: true})
}

// runUI shows the UI, and leaves its last frame on the terminal where the person wants that.
func runUI(ctx context.Context, cmd *cobra.Command, o ui.Options) error {
	frame, err := ui.Run(ctx, o)
	if frame != "" {
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), frame)
	}
	return err
}

// source says what is shown: the demo, a recording, or a node.
func (f *tuiFlags) source(cmd *cobra.Command, g *globals, o *ui.Options) (err error) {
	switch {
	case f.demo && f.replay != "":
		return usageError(cmd, "--demo and --replay: take one of them")
	case f.demo:
		o.Client, o.Demo = o.StartDemo(cmd.Context()), true
	case f.replay != "":
		file, err := os.Open(f.replay)
		if err != nil {
			return fileError(f.replay, err)
		}
		o.Replay = file
	default:
		o.Network = g.network
		o.Client, err = g.client()
		if e, ok := errors.AsType[*cmdError](err); ok && e.code == exitNoNode {
			if g.network != "" {
				o.Client.Socket = control.SocketPath(g.network)
			}
			return nil // the UI offers what can be done
		}
	}
	return err
}

// terminalError refuses what is no terminal that can be drawn on.
func terminalError(cmd *cobra.Command) error {
	if os.Getenv("TERM") == "dumb" || !isTerminal(cmd.OutOrStdout()) {
		return &cmdError{
			code: exitUsage, err: errors.New("this is no terminal that can be drawn on"),
			hints: []string{"vxmesh status --watch"},
		}
	}
	return nil
}

// screenOptions are the flags, the file, and what was chosen last time, in this order.
func (f *tuiFlags) screenOptions(cmd *cobra.Command, settings *tuiConfig) (screen.Options, error) {
	last := lastTUI()
	o := screen.Options{
		ReadOnly: f.readOnly, Mouse: !f.noMouse && settings.mouse(), Page: screen.Overview,
		Texts: screen.Texts{Why: whyText, Paths: pathsText, Netcheck: netcheckText},
	}
	o.Look.Bytes = last.Bytes
	o.Look.ASCII = settings.ascii()
	theme := f.themeName(settings, last.Theme)
	var err error
	if o.Look.Theme, err = view.ByName(theme); err != nil && theme != "" {
		if f.theme != "" || settings.Theme != "" {
			return o, usageError(cmd, "%v", err)
		}
	}
	page := last.Page
	if f.screen != "" {
		page = strings.ToLower(f.screen)
		if !slices.Contains(pageNames(), page) {
			return o, usageError(cmd, "--screen is one of %s, not %q", strings.Join(pageNames(), ", "), f.screen)
		}
	}
	if i := slices.Index(pageNames(), page); i >= 0 {
		o.Page = screen.Page(i)
	}
	return o, nil
}

// themeName is the theme of the flag, else none where there are no colours, else that of the file, else
// the last.
func (f *tuiFlags) themeName(settings *tuiConfig, last string) string {
	if f.theme == "" && (os.Getenv("NO_COLOR") != "" || slices.Contains([]string{"vt100", "vt220"}, os.Getenv("TERM"))) {
		return "mono"
	}
	return cmp.Or(f.theme, settings.Theme, last)
}

func printKeys(w io.Writer, o screen.Options, settings *tuiConfig) error {
	u := screen.New(o)
	for id, keys := range settings.Keys {
		u.Bind(id, keys)
	}
	var t table
	t.add("ACTION", "KEYS", "WHERE", "WHAT")
	for _, c := range u.Commands() {
		t.add(c.ID, strings.Join(c.Keys, " "), strings.ToLower(c.Page.String()), c.Name)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// knownNetworks are those that run here, and those that have a file here.
func knownNetworks() (out []screen.Network) {
	for _, n := range control.Networks() {
		out = append(out, screen.Network{Name: n.Name, Socket: n.Socket, Running: true})
	}
	files, err := configFiles("")
	if err != nil {
		return out
	}
	for _, file := range files {
		cfg, err := readConfig(nil, file)
		if errors.Is(err, fs.ErrPermission) || err != nil {
			continue
		}
		name := cfg.Network.Name
		if !slices.ContainsFunc(out, func(n screen.Network) bool { return n.Name == name }) {
			out = append(out, screen.Network{Name: name, Config: file, Socket: control.SocketPath(name)})
		}
	}
	return out
}
