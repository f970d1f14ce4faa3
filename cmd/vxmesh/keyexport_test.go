package main

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// typed runs a command with lines on its standard input.
func (h testHome) typed(socket, lines string, args ...string) (r result) {
	h.t.Helper()
	var out, errOut strings.Builder
	args = append(args, "--socket", socket, "-n", h.path)
	r.code = new(globals).run(h.t.Context(), args, strings.NewReader(lines), &out, &errOut)
	r.out, r.errOut = out.String(), errOut.String()
	return r
}

// exported is what `key export` makes of a network's key, with less work for who guesses.
func (h testHome) exported(passphrase string) string {
	h.t.Helper()
	key := ok[ed25519.PrivateKey](h.t)(h.member.NetworkKey())
	recipient := ok[*age.ScryptRecipient](h.t)(age.NewScryptRecipient(passphrase))
	recipient.SetWorkFactor(4)
	var b bytes.Buffer
	text := armor.NewWriter(&b)
	w := ok[io.WriteCloser](h.t)(age.Encrypt(text, recipient))
	_, err := io.WriteString(w, roster.SignKey(key.Seed()).String()+"\n") // base64
	if err := errors.Join(err, w.Close(), text.Close()); err != nil {
		h.t.Fatal(err)
	}
	file := filepath.Join(h.t.TempDir(), "key.age")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return file
}

// TestKeyImportMakesAnAdmin and tells the network.
func TestKeyImportMakesAnAdmin(t *testing.T) {
	h := newAttic(t)
	file, barn, n := h.exported("secret"), joined(t, h, "barn", false), controltest.New()
	socket := n.Serve(t)
	barn.typed(socket, "Secret\n", "key", "import", file).wantError(t, exitPermission, "passphrase is wrong")
	barn.typed(socket, "\n", "key", "import", file).wantError(t, exitUsage, "passphrase is empty")
	newAttic(t).typed(socket, "secret\n", "key", "import", file).wantError(t, exitConflict, "another network")
	if len(n.Requests()) > 0 {
		t.Fatalf("told %v", n.Requests())
	}
	barn.typed(socket, "secret\nmore\n", "key", "import", file).want(t, exitOK,
		"the key of test-net is on this machine\nthis node is an admin from now on\n")
	item := n.Requests()[0].(control.Publish).Items[0]
	cert := ok[*roster.Certificate](t)(roster.ParseCertificate(item.Raw))
	if !cert.Rights.Admin || cert.Name != "barn" || cert.Issuer != signKeyOf(barn.id) {
		t.Errorf("told %+v", cert)
	}
}

func TestKeyExportRefusesALongPassphrase(t *testing.T) {
	h := newAttic(t)
	out := filepath.Join(t.TempDir(), "key.age")
	h.typed("none.sock", strings.Repeat("x", maxPassphrase+1), "key", "export", "--out", out).
		wantError(t, exitUsage, "longer than")
	wantGone(t, out, true)
}

func TestKeyImportErrors(t *testing.T) {
	for err, code := range map[error]int{
		membership.ErrPassphrase: exitPermission, membership.ErrOtherNetwork: exitConflict,
		membership.ErrNotKeyFile: exitFailed, os.ErrPermission: exitPermission,
	} {
		if got := reportOf(keyImportError(fmt.Errorf("import: %w", err))).Code.Exit(); got != code {
			t.Errorf("%v: %d, want %d", err, got, code)
		}
	}
}
