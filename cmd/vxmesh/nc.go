package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A netcat joins its standard input and output with a stream through the node.
type netcat struct {
	request control.DialRequest
	timeout time.Duration // 0: as long as the node tries
	udp     bool

	ended atomic.Bool // the input, and only silence can be the end of the rest
}

func newNCCmd(g *globals) *cobra.Command {
	var n netcat
	cmd := &cobra.Command{
		Use:   "nc HOST PORT | -l [ADDRESS] PORT",
		Short: "Connect the standard input and output with a port in a segment",
		Long: "Connects the standard input and output with a port of a host in a segment, through a device of\n" +
			"kind \"userspace\": such a segment is not seen by other programs. HOST is an address or the\n" +
			"name of a member; no other name is looked up. It ends when both directions have. With -u it\n" +
			"speaks UDP, of which nothing marks the end: it ends when nothing comes for the time of -w,\n" +
			"counted from the end of the input. With -l it waits for one who connects.\n" +
			"With a device of another kind the system's own nc does it.",
		Example: "  ssh -o ProxyCommand='vxmesh nc %h %p' nas\n  echo | vxmesh nc 10.42.0.5 22\n" +
			"  vxmesh nc -l 7000 > file\n  vxmesh nc -u -w 2s nas 53 < query",
		Args: takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := n.aim(cmd, args); err != nil {
				return err
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			return n.run(cmd, c)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&n.udp, "udp", "u", false, "UDP instead of TCP; each read of the input is a datagram")
	flags.BoolVarP(&n.request.Listen, "listen", "l", false, "wait for one who connects")
	flags.DurationVarP(&n.timeout, "timeout", "w", 0, "give up when nobody is there after so long")
	flags.Uint32Var(&n.request.VNI, "vni", 0, "the segment, where there are several")
	return cmd
}

// aim makes the request of what was typed.
func (n *netcat) aim(cmd *cobra.Command, args []string) error {
	host, port := "", args[len(args)-1]
	if len(args) == 2 {
		host = args[0]
	} else if !n.request.Listen {
		return usageError(cmd, "something is missing: a host and a port, as in `vxmesh nc nas 22`")
	}
	n.request.Protocol = "tcp"
	if n.udp {
		n.request.Protocol = "udp"
	}
	if n.timeout < 0 || n.timeout > control.MaxDialTimeout {
		return usageError(cmd, "--timeout is at most %v, not %v", control.MaxDialTimeout, n.timeout)
	}
	n.request.Address, n.request.TimeoutSeconds = net.JoinHostPort(host, port), n.timeout.Seconds()
	if err := n.request.Check(); err != nil {
		return usageError(cmd, "%w", err)
	}
	return nil
}

// run passes on both ways until both have ended, or the context has.
func (n *netcat) run(cmd *cobra.Command, c control.Client) error {
	ctx := cmd.Context()
	conn, err := c.DialOverlay(ctx, n.request)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	sent := make(chan struct{})
	go func() { // a read of the terminal ends with the process
		defer close(sent)
		n.send(conn, cmd.InOrStdin())
	}()
	_, err = io.CopyBuffer(onlyWriter{cmd.OutOrStdout()}, &patientReader{n, conn}, make([]byte, 1<<16))
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		err = nil // silence is how UDP ends
	} else if _, person := terminal(cmd); err == nil && !person {
		select { // the other side may listen on
		case <-sent:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return &cmdError{code: exitFailed} // interrupted
	}
	return err
}

// send sends the input and says when it has ended. Without half-closes there is but silence to go by.
func (n *netcat) send(conn net.Conn, in io.Reader) {
	if _, err := io.CopyBuffer(onlyWriter{conn}, in, make([]byte, 1<<16)); err != nil {
		return // the other direction tells
	}
	if h, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
	} else if n.timeout > 0 {
		n.ended.Store(true)
		_ = conn.SetReadDeadline(time.Now().Add(n.timeout))
	}
}

// A patientReader waits for each datagram anew.
type patientReader struct {
	n    *netcat
	conn net.Conn
}

// Read implements [io.Reader].
func (p *patientReader) Read(b []byte) (int, error) {
	if p.n.ended.Load() {
		_ = p.conn.SetReadDeadline(time.Now().Add(p.n.timeout))
	}
	return p.conn.Read(b)
}

// An onlyWriter keeps [io.CopyBuffer] to its buffer: what is read at once is a datagram.
type onlyWriter struct{ io.Writer }
