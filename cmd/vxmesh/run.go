package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/internal/guest"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// runFlags are those of `run`.
type runFlags struct {
	vni       uint32
	name      string
	addresses []string
	root      bool
}

func newRunCmd(g *globals) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [flags] -- PROGRAM [ARGUMENT...]",
		Short: "Run a program whose only network is the overlay (Linux)",
		Long: "Runs a program in a network namespace of its own, whose only interface is a port of a segment of\n" +
			"the running node: any program, unchanged, and without root. It has an address of its own in the\n" +
			"segment, is reached by it, and sees nothing of this machine's network. Names are looked up as\n" +
			"/etc/resolv.conf says, by servers that the overlay has to reach.\n" +
			"Ends as the program does: with its exit code, or 128 and the number of the signal that ended it.",
		Example: "  vxmesh run -- ping 10.0.0.1\n  vxmesh run -n home --address 10.0.0.9/24 -- ssh nas\n" +
			"  vxmesh run --root -- tcpdump -ni vxm0",
		Args: takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error { return runGuest(cmd, g, &f, args) },
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false) // what follows the program is the program's
	flags.Uint32Var(&f.vni, "vni", 0, "the segment, where there are several")
	flags.StringVar(&f.name, "name", "", "what the port is called (default: as the program)")
	flags.StringSliceVar(&f.addresses, "address", []string{"auto"}, "its address in the segment: CIDR, auto, or none")
	flags.BoolVar(&f.root, "root", false, "to the program you are root: it may change its interface")
	return cmd
}

// request is what the node is asked for.
func (f *runFlags) request(cmd *cobra.Command, program string) (control.GuestRequest, error) {
	r := control.GuestRequest{VNI: f.vni, Name: f.name, Program: programName(program)}
	for _, text := range f.addresses {
		switch text {
		case "auto":
			r.Auto = true
		case "none":
			if len(f.addresses) > 1 {
				return r, usageError(cmd, "--address none goes with no other")
			}
		default:
			a, err := netip.ParsePrefix(text)
			if err != nil {
				return r, usageError(cmd, "--address %s is not auto, none, or an address with its prefix like 10.0.0.9/24", text)
			}
			r.Addresses = append(r.Addresses, a)
		}
	}
	if err := r.Check(); err != nil {
		return r, usageError(cmd, "%w", err)
	}
	return r, nil
}

// programName makes a port's name of a program's.
func programName(path string) string {
	keep := func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}
	name := strings.Map(keep, filepath.Base(path))
	name = strings.TrimLeft(name[:min(len(name), maxProgramName)], "0123456789._-")
	if name == "" {
		return "guest"
	}
	return name
}

// maxProgramName leaves room for a number behind it.
const maxProgramName = 24

// runGuest runs the program and keeps it in the segment meanwhile.
func runGuest(cmd *cobra.Command, g *globals, f *runFlags, args []string) error {
	req, err := f.request(cmd, args[0])
	if err != nil {
		return err
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return &cmdError{code: exitNotFound, err: fmt.Errorf("there is no program %s: %w", args[0], errors.Unwrap(err))}
	}
	c, err := g.client()
	if err == nil {
		_, err = c.Status(cmd.Context()) // before anything is made that would have to go again
	}
	if err != nil {
		return err
	}
	p, err := guest.Start(guest.Options{Path: path, Args: args, Root: f.root})
	if err != nil {
		return guestError(err)
	}
	s := stay{client: c, request: req, process: p, stderr: cmd.ErrOrStderr()}
	if err := s.begin(cmd.Context()); err != nil {
		p.Abandon()
		return guestError(err)
	}
	g.serves.Store(true) // it ends when the program does
	code, err := s.last()
	if err == nil && code != exitOK {
		err = &cmdError{code: code}
	}
	return err
}

// guestError gives an error of starting a program the exit code and the advice that belong to it.
func guestError(err error) error {
	if _, said := errors.AsType[*control.Error](err); said {
		return err
	}
	ce := &cmdError{code: exitFailed, err: err, hints: guest.Hints(err)}
	switch {
	case errors.Is(err, guest.ErrNamespace), errors.Is(err, guest.ErrRights), errors.Is(err, tundev.ErrPermission):
		ce.code = exitPermission
	case errors.Is(err, guest.ErrTaken):
		ce.code = exitConflict
	case errors.Is(err, context.Canceled):
		ce.hints = nil
	}
	return ce
}
