package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/topology/remote"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/view"
)

// completePatience is how long the shell waits for names.
const completePatience = time.Second

// A completer gives what can stand somewhere, each with a word about it behind a tab if there is one.
// It gives nothing when it does not know: the shell is no place for errors.
type completer func(ctx context.Context, g *globals) []string

// An argument is where a completer belongs.
type argument struct {
	command string // without the program's name
	at      int    // from 0; -1 for every one
	values  completer
	files   bool // files are as good
}

// arguments are what can be completed, but for commands and flags. An unknown command is left out: it
// is of another version of this table.
var arguments = []argument{
	{"ping", 0, peerNames, false},
	{"nc", 0, memberNames, false},
	{"why", 0, peerNames, false},
	{"peer show", 0, memberNames, false},
	{"peer remove", 0, memberNames, false},
	{"peer rename", 0, memberNames, false},
	{"peer pause", 0, peerNames, false},
	{"peer resume", 0, peerNames, false},
	{"peer reconnect", 0, peerNames, false},
	{"join", 0, configNames, true},
	{"leave", 0, configNames, true},
	{"tui", 0, networkNames, false},
	{"status", 0, networkNames, false},
	{"peers", 0, networkNames, false},
	{"netcheck", 0, networkNames, false},
	{"doctor", 0, networkNames, false},
	{"wait", 0, networkNames, false},
	{"hosts", 0, networkNames, false},
	{"stats", 0, networkNames, false},
	{"log", 0, networkNames, false},
	{"debug profile", 0, profileKinds, false},
	{"events", 0, networkNames, false},
	{"reload", 0, networkNames, false},
	{"fdb del", 0, fdbAddresses, false},
	{"fdb add", 1, portNames, false},
	{"fdb del", 1, portNames, false},
	{"invite revoke", 0, invitationIDs, false},
	{"config check", -1, configNames, true},
	{"config show", 0, configNames, true},
	{"run", -1, wordsOf(), true},
	{"service install", 0, configNames, false},
	{"service uninstall", 0, configNames, false},
	{"service start", 0, configNames, false},
	{"service stop", 0, configNames, false},
	{"service status", 0, configNames, false},
	{"lab", 0, wordsOf(), true},
	{"lab exec", 0, labNodes, false},
	{"lab exec", 1, wordsOf(append([]string{"ping"}, nodeCommands...)...), false},
	{"lab set", 0, labParts, false},
	{"lab stop", 0, labNames, false},
}

// flagValues are the values of flags, by command and flag; "*" is every command that has the flag.
var flagValues = []struct {
	command, flag string
	values        completer
}{
	{"*", "network", networkNames},
	{"*", "vni", vniNumbers},
	{"fdb flush", "port", portNames},
	{"fdb flush", "mac", fdbAddresses},
	{"events", "topics", wordsOf(topicWords()...)},
	{"log", "level", wordsOf("error", "warn", "info", "debug")},
	{"wait", "for", waitConditions},
	{"init", "address", wordsOf("auto", "none")},
	{"join", "address", wordsOf("auto", "none")},
	{"run", "address", wordsOf("auto", "none")},
	{"tui", "screen", wordsOf(pageNames()...)},
	{"tui", "theme", wordsOf(view.Names()...)},
	{"lab", "screen", wordsOf(pageNames()...)},
	{"lab", "theme", wordsOf(view.Names()...)},
	{"lab set", "nat", wordsOf(config.NATs()...)},
}

// addCompletions tells cobra what can stand where.
func addCompletions(root *cobra.Command, g *globals) {
	below(root, func(c *cobra.Command) {
		path := strings.TrimPrefix(c.CommandPath(), root.Name()+" ")
		if c.ValidArgsFunction == nil && c.Name() != "help" {
			c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
				return g.completeArgument(cmd, path, len(args))
			}
		}
		for _, f := range flagValues {
			if (f.command == path || f.command == "*") && c.LocalFlags().Lookup(f.flag) != nil {
				_ = c.RegisterFlagCompletionFunc(f.flag, g.completeFlag(f.values)) // fails for none of these
			}
		}
	})
	_ = root.RegisterFlagCompletionFunc("network", g.completeFlag(networkNames))
}

// profileKinds are what can be measured.
func profileKinds(context.Context, *globals) (names []string) {
	for _, k := range control.ProfileKinds() {
		names = append(names, string(k))
	}
	return names
}

func below(c *cobra.Command, do func(*cobra.Command)) {
	for _, sub := range c.Commands() {
		do(sub)
		below(sub, do)
	}
}

func (g *globals) completeFlag(values completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return g.complete(cmd, values), cobra.ShellCompDirectiveNoFileComp
	}
}

func (g *globals) completeArgument(cmd *cobra.Command, path string, at int) ([]string, cobra.ShellCompDirective) {
	for _, a := range arguments {
		if a.command != path || a.at >= 0 && a.at != at {
			continue
		}
		if a.files {
			return g.complete(cmd, a.values), cobra.ShellCompDirectiveDefault
		}
		return g.complete(cmd, a.values), cobra.ShellCompDirectiveNoFileComp
	}
	if path == "key import" {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func (g *globals) complete(cmd *cobra.Command, values completer) []string {
	g.fromEnvironment(cmd)
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completePatience)
	defer cancel()
	return values(ctx, g)
}

// wordsOf are always the same.
func wordsOf(all ...string) completer {
	return func(context.Context, *globals) []string { return all }
}

// fromNode is what the node answers; nothing when it does not.
func fromNode[T any](ctx context.Context, g *globals, ask func(control.Client, context.Context) (T, error)) (v T) {
	c, err := g.client()
	if err != nil {
		return v
	}
	if got, err := ask(c, ctx); err == nil {
		v = got
	}
	return v
}

func peerNames(ctx context.Context, g *globals) (names []string) {
	for _, peer := range fromNode(ctx, g, control.Client.Peers).Peers {
		names = append(names, peer.Name+"\t"+string(peer.State))
	}
	return names
}

// memberNames are those of members, and of peers that only the config lists.
func memberNames(ctx context.Context, g *globals) (names []string) {
	for _, member := range fromNode(ctx, g, control.Client.Members).Members {
		names = append(names, member.Name)
	}
	for _, peer := range peerNames(ctx, g) {
		if name, _, _ := strings.Cut(peer, "\t"); !slices.Contains(names, name) {
			names = append(names, peer)
		}
	}
	return names
}

// networkNames are the networks that run here, and those that are set up.
func networkNames(ctx context.Context, g *globals) (names []string) {
	for _, n := range control.Networks() {
		names = append(names, n.Name+"\truns")
	}
	for _, name := range configNames(ctx, g) {
		if !slices.Contains(names, name+"\truns") {
			names = append(names, name)
		}
	}
	return names
}

// configNames are the networks with a file where files are.
func configNames(context.Context, *globals) (names []string) {
	files, err := configFiles("")
	if err != nil {
		return nil
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".toml"))
	}
	return names
}

func fdbAddresses(ctx context.Context, g *globals) (addresses []string) {
	fdb := fromNode(ctx, g, func(c control.Client, ctx context.Context) (control.FDB, error) {
		return c.FDB(ctx, control.FDBFilter{})
	})
	for _, e := range fdb.Entries {
		if e.Kind != control.EntryLocal {
			addresses = append(addresses, e.MAC.String()+"\t"+portText(e.Port))
		}
	}
	return addresses
}

// portNames are what `fdb add` takes for PORT.
func portNames(ctx context.Context, g *globals) (names []string) {
	s := fromNode(ctx, g, control.Client.Status)
	if s.Network == "" {
		return nil
	}
	for _, p := range s.Peers {
		names = append(names, p.Name+"\tpeer")
	}
	for _, seg := range s.Segments {
		for _, v := range seg.VTEPs {
			names = append(names, v.Remote+"\tVTEP")
		}
		for _, g := range seg.Guests {
			names = append(names, g.Name+"\tguest")
		}
	}
	return append(names, "device\tthis machine")
}

func vniNumbers(ctx context.Context, g *globals) (numbers []string) {
	for _, seg := range fromNode(ctx, g, control.Client.Status).Segments {
		numbers = append(numbers, fmt.Sprintf("%d\t%s", seg.VNI, seg.Device.Name))
	}
	return numbers
}

func waitConditions(ctx context.Context, g *globals) []string {
	all := []string{"up", "address", "peers:"}
	for _, p := range peerNames(ctx, g) {
		all = append(all, "peer:"+p)
	}
	return all
}

// invitationIDs are the open ones. Only who may read the state directory gets them.
func invitationIDs(_ context.Context, g *globals) (ids []string) {
	files, err := configFiles(g.network)
	if err != nil || len(files) != 1 {
		return nil
	}
	h, err := openHomeAt(files[0])
	if err != nil {
		return nil
	}
	list, err := h.member.Invitations()
	if err != nil {
		return nil
	}
	for _, i := range invitationsOf(h, list, time.Now()).Invitations {
		if i.State == "open" {
			ids = append(ids, i.ID+"\t"+i.Node)
		}
	}
	return ids
}

// labNames are the labs that run.
func labNames(_ context.Context, g *globals) (names []string) {
	for _, n := range control.Labs(g.labDir) {
		names = append(names, n.Name)
	}
	return names
}

// ofLab is what a lab that runs says of itself; nothing when it does not.
func (g *globals) ofLab(ctx context.Context) (lab remote.Lab) {
	c, err := g.lab()
	if err != nil {
		return lab
	}
	lab, _ = c.Lab(ctx)
	return lab
}

func labNodes(ctx context.Context, g *globals) (names []string) {
	for _, n := range g.ofLab(ctx).Nodes {
		names = append(names, n.Name+"\t"+listed(n.Addresses))
	}
	return names
}

// labParts are what `lab set` takes.
func labParts(ctx context.Context, g *globals) (names []string) {
	for _, s := range g.ofLab(ctx).Sites {
		names = append(names, s.Name+"\t"+s.NAT)
	}
	return append(names, labNodes(ctx, g)...)
}
