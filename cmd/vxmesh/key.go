package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
)

// keyFlags say whose key it is.
type keyFlags struct{ config, state string }

func newKeyCmd(g *globals) *cobra.Command {
	var f keyFlags
	cmd := &cobra.Command{
		Use:     "key",
		Short:   "The key by which peers know this node, and the key of the network",
		Example: "  sudo vxmesh key show --config home.toml\n  sudo vxmesh key show -n home",
		Args:    noSuchCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.config, "config", "", "the network's config file; peers may still be missing")
	flags.StringVar(&f.state, "state", "", "the state directory itself")
	cmd.AddCommand(newKeyNewCmd(g, &f), newKeyShowCmd(g, &f), newKeyExportCmd(g, &f), newKeyImportCmd(g, &f))
	return cmd
}

const whoseKey = "\nThe node is that of --config, of --network, or of the state directory --state. Run it as\n" +
	"the user who runs the node: everybody else has another state directory."

func newKeyNewCmd(g *globals, f *keyFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "new",
		Short: "Make the node's identity and print its public key",
		Long: "Makes the node's identity and prints its public key. One that exists is never\n" +
			"replaced.\n" + whoseKey,
		Example: "  sudo vxmesh key new --config home.toml\n  vxmesh key new --state ./nas",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := keyPath(cmd, g, f)
			if err != nil {
				return err
			}
			i, err := identity.Create(path)
			return printKey(cmd, g, path, i, err)
		},
	}
}

func newKeyShowCmd(g *globals, f *keyFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the node's public key",
		Long: "Prints the node's public key alone, for key in [[peers]] on the other nodes. Makes the\n" +
			"identity if there is none.\n" + whoseKey,
		Example: "  sudo vxmesh key show --config home.toml\n  sudo vxmesh key show -n home --json",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := keyPath(cmd, g, f)
			if err != nil {
				return err
			}
			_, statErr := os.Stat(path)
			i, err := identity.Open(path)
			if err == nil && errors.Is(statErr, fs.ErrNotExist) {
				fmt.Fprintf(cmd.ErrOrStderr(), "made %s\n", path)
			}
			return printKey(cmd, g, path, i, err)
		},
	}
}

// keyPath is the file of the identity that the flags mean.
func keyPath(cmd *cobra.Command, g *globals, f *keyFlags) (string, error) {
	standard := config.Default()
	switch {
	case f.state != "" && (f.config != "" || cmd.Flags().Changed("network")),
		f.config != "" && cmd.Flags().Changed("network"):
		return "", usageError(cmd, "--config, --state and --network exclude each other")
	case f.state != "":
		return filepath.Join(f.state, standard.Security.Identity), nil
	case f.config != "":
		path, err := keyPathOf(f.config)
		return path, fileError(f.config, err)
	}
	files, err := configFiles(g.network)
	if err != nil {
		return "", err
	}
	if len(files) > 1 {
		return "", usageError(cmd, "there are %d networks; say which with --network", len(files))
	}
	path, err := keyPathOf(files[0])
	if errors.Is(err, fs.ErrNotExist) && files[0] != g.network { // the key may well come before the file
		standard.Network.Name = g.network
		return identityPath(standard), nil
	}
	return path, fileError(files[0], err)
}

// keyPathOf reads of a file what says where the identity is: in a new one the keys of the peers,
// which show theirs with this command, may still be missing.
func keyPathOf(file string) (string, error) {
	cfg, err := config.LoadPart(file, "network", "security")
	if err != nil {
		return "", err
	}
	return identityPath(cfg), nil
}

// A shownKey is what `key show --json` prints.
type shownKey struct {
	Schema    string `json:"schema"`
	PublicKey string `json:"public_key"` // base64
	ID        string `json:"id"`         // hexadecimal
}

func printKey(
	cmd *cobra.Command, g *globals, path string, i identity.Identity, err error,
) error {
	if err != nil {
		return identityError(path, err)
	}
	id := i.ID()
	k := shownKey{"vxmesh.key/1", config.Key(i.PublicKey()).String(), hex.EncodeToString(id[:])}
	return answer(cmd.OutOrStdout(), g.json, k, func(k shownKey) string { return k.PublicKey + "\n" })
}
