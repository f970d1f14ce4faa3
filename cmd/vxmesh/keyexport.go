package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/membership"
)

const whoseNetworkKey = "\nThe network is that of --config, of --network, or of the state directory --state."

// A keyExport is what `key export --json` prints.
type keyExport struct {
	Schema  string `json:"schema"`
	Network string `json:"network"`
	File    string `json:"file"`
	Kept    bool   `json:"kept"` // it is on this machine as well
}

func newKeyExportCmd(g *globals, f *keyFlags) *cobra.Command {
	var out string
	var keep bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Take the network's key off this machine, into a file with a passphrase",
		Long: "Writes the network's key into a file that a passphrase opens (age), and removes it from\n" +
			"this machine. The network goes on without it: only making or removing an admin takes it.\n" +
			"The passphrase is asked for, or is the first line of standard input.\n" + whoseNetworkKey,
		Example: "  sudo vxmesh key export --out /media/stick/home.key.age",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := keyHome(cmd, g, f)
			if err != nil {
				return err
			}
			if out == "" {
				out = h.member.Name() + ".key.age"
			}
			if err := h.export(cmd, out, keep); err != nil {
				return err
			}
			r := keyExport{"vxmesh.key_export/1", h.member.Name(), out, keep}
			return answer(cmd.OutOrStdout(), g.json, r, keyExportText)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the file to write (default NETWORK.key.age, here)")
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the key on this machine as well")
	return cmd
}

func keyExportText(r keyExport) string {
	text := fmt.Sprintf("the key of %s is in %s; nobody can open it without the passphrase\n", r.Network, r.File)
	if !r.Kept {
		text += "it is not on this machine any more: vxmesh key import FILE brings it back\n"
	}
	return text
}

// export writes the key into a new file, and only then takes it off the machine.
func (h *home) export(cmd *cobra.Command, out string, keep bool) error {
	if _, err := h.member.NetworkKey(); err != nil {
		if errors.Is(err, membership.ErrNoNetworkKey) {
			return &cmdError{
				code: exitNotFound, err: fmt.Errorf("the key of %s is not on this machine", h.member.Name()),
			}
		}
		return setupError(err)
	}
	taken := &cmdError{
		code: exitConflict, err: fmt.Errorf("there is a file %s already", out),
		hints: []string{"name another with --out FILE"},
	}
	if !missing(out) { // before anybody thinks of a passphrase
		return taken
	}
	passphrase, err := readPassphrase(cmd, true)
	if err != nil {
		return err
	}
	file, err := h.member.ExportNetworkKey(passphrase)
	if err != nil {
		return setupError(err)
	}
	if err := atomicfile.Create(out, file); errors.Is(err, fs.ErrExist) {
		return taken
	} else if err != nil {
		return setupError(fmt.Errorf("write %s: %w", out, atomicfile.Reason(err)))
	}
	if keep {
		return nil
	}
	return setupError(h.member.RemoveNetworkKey())
}

// A keyImport is what `key import --json` prints.
type keyImport struct {
	Schema  string `json:"schema"`
	Network string `json:"network"`
	Admin   bool   `json:"became_admin"` // this node was none before
	Told    bool   `json:"told"`         // a node runs here, and has told the others
}

func newKeyImportCmd(g *globals, f *keyFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Bring the network's key to this machine, from such a file",
		Long: "Brings the network's key to this machine, out of a file that `vxmesh key export` made.\n" +
			"A node that is no admin becomes one. The passphrase is asked for, or is the first line of\n" +
			"standard input.\n" + whoseNetworkKey,
		Example: "  sudo vxmesh key import /media/stick/home.key.age",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := keyHome(cmd, g, f)
			if err != nil {
				return err
			}
			file, err := os.ReadFile(args[0])
			if errors.Is(err, fs.ErrNotExist) {
				return &cmdError{code: exitNotFound, err: fmt.Errorf("there is no file %s", args[0])}
			} else if err != nil {
				return fileError(args[0], err)
			}
			passphrase, err := readPassphrase(cmd, false)
			if err != nil {
				return err
			}
			r, err := h.importKey(cmd.Context(), g, file, passphrase)
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, *r, keyImportText)
		},
	}
}

func keyImportText(r keyImport) string {
	text := fmt.Sprintf("the key of %s is on this machine\n", r.Network)
	if r.Admin {
		text += "this node is an admin from now on\n"
	}
	return text
}

// importKey brings the key here. That this node becomes an admin is told to the network, and to the node
// that runs here: one that hears of a certificate of its own looks into the state directory.
func (h *home) importKey(
	ctx context.Context, g *globals, file []byte, passphrase string,
) (*keyImport, error) {
	_, was := h.member.Authority()
	if err := h.member.ImportNetworkKey(file, passphrase); err != nil {
		return nil, keyImportError(err)
	}
	r := &keyImport{Schema: "vxmesh.key_import/1", Network: h.member.Name(), Admin: !was}
	var err error
	r.Told, err = h.publish(ctx, g, h.member.Certificate().Item())
	return r, err
}

func keyImportError(err error) error {
	e := &cmdError{code: exitFailed, err: err}
	switch {
	case errors.Is(err, membership.ErrPassphrase):
		e.code = exitPermission
	case errors.Is(err, membership.ErrOtherNetwork):
		e.code = exitConflict
		e.hints = []string{"say which network with --network"}
	case errors.Is(err, membership.ErrNotKeyFile):
	default:
		return setupError(err)
	}
	return e
}

// keyHome opens the network that the flags of `key` mean.
func keyHome(cmd *cobra.Command, g *globals, f *keyFlags) (*home, error) {
	switch {
	case f.state != "" && (f.config != "" || cmd.Flags().Changed("network")),
		f.config != "" && cmd.Flags().Changed("network"):
		return nil, usageError(cmd, "--config, --state and --network exclude each other")
	case f.config != "":
		return openHomeAt(configPath(f.config))
	case f.state == "":
		return openHome(cmd, g)
	}
	state, err := filepath.Abs(f.state)
	if err != nil {
		return nil, err
	}
	h := &home{cfg: config.Default()}
	h.cfg.Network.State = state
	if h.id, err = identity.Load(identityPath(h.cfg)); err == nil {
		h.member, err = membership.Open(state, h.id)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &cmdError{code: exitNotFound, err: fmt.Errorf("there is no network in %s", f.state)}
	case err != nil:
		return nil, setupError(err)
	}
	h.cfg.Network.Name = h.member.Name()
	return h, nil
}
