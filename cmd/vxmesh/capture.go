package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newCaptureCmd(g *globals) *cobra.Command {
	var file string
	var o control.CaptureOptions
	cmd := &cobra.Command{
		Use:   "capture -w FILE|-",
		Short: "Write frames, datagrams and drops as pcapng",
		Long: "Writes inner frames, outer datagrams and drops as three interfaces of a pcapng file,\n" +
			"each packet with a comment that says what became of it, until it is interrupted.",
		Example: "  vxmesh capture -w home.pcapng\n  vxmesh capture -w - | wireshark -k -i -",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case file == "":
				return usageError(cmd, "say where to: -w FILE, or -w - for a pipe")
			case o.SnapLen < 0:
				return usageError(cmd, "--snaplen is a number of bytes, not %d", o.SnapLen)
			case refuseTerminal(cmd, file):
				return usageError(cmd, "pcapng is not for a terminal; name a file or use a pipe")
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			return output(cmd, file, func(w io.Writer) error { return captureTo(w, cmd, c, o) })
		},
	}
	cmd.Flags().StringVarP(&file, "write", "w", "", "the file to write, - for the standard output")
	cmd.Flags().Uint32Var(&o.VNI, "vni", 0, "only this segment")
	cmd.Flags().IntVar(&o.SnapLen, "snaplen", 0, "bytes to keep of each packet, 0 for all")
	return cmd
}

// refuseTerminal reports whether bytes that are no text would come to a terminal.
func refuseTerminal(cmd *cobra.Command, file string) bool {
	return (file == "" || file == "-") && isTerminal(cmd.OutOrStdout())
}

// output has write fill a file, and says how long that became; "" and - are the standard output.
func output(cmd *cobra.Command, name string, write func(io.Writer) error) error {
	if name == "" || name == "-" {
		return write(cmd.OutOrStdout())
	}
	f := &lateFile{name: name}
	return f.finish(cmd, write(f))
}

func captureTo(w io.Writer, cmd *cobra.Command, c control.Client, o control.CaptureOptions) error {
	err := c.Capture(cmd.Context(), w, o)
	if err == nil && cmd.Context().Err() == nil {
		return errNodeLeft
	}
	return err
}

// A lateFile is made when its first bytes come, so that a capture that never begins leaves none
// and overwrites none.
type lateFile struct {
	name    string
	f       *os.File
	written uint64 // bytes
}

// Write implements [io.Writer].
func (l *lateFile) Write(b []byte) (n int, err error) {
	if l.f == nil {
		// What is captured is everybody's traffic: for the owner alone.
		l.f, err = os.OpenFile(l.name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return 0, err
		}
	}
	n, err = l.f.Write(b)
	l.written += uint64(n)
	return n, err
}

// finish closes the file, and says what is in it. The error is err, or else that of closing it.
func (l *lateFile) finish(cmd *cobra.Command, err error) error {
	if l.f == nil {
		return err
	}
	if closeErr := l.f.Close(); err == nil {
		err = closeErr
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", l.name, byteCount(l.written))
	return err
}
