package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// client gives the node that a command talks to: the one on --socket, else the one of --network,
// else the only one that runs.
func (g *globals) client() (control.Client, error) {
	if g.socket != "" {
		return control.Client{Socket: g.socket}, nil
	}
	return pickNode(g.network, control.Networks())
}

func pickNode(network string, running []control.Network) (control.Client, error) {
	var names []string
	for _, n := range running {
		if n.Name == network || (network == "" && len(running) == 1) {
			return control.Client{Socket: n.Socket}, nil
		}
		names = append(names, n.Name)
	}
	if network == "" && len(running) > 1 {
		return control.Client{}, &cmdError{
			code: exitUsage, err: errors.New("several networks run here: " + strings.Join(names, ", ")),
			hints: []string{"say which with --network NAME"},
		}
	}
	return control.Client{}, noNode(network, names...)
}

// noNode says that nobody answers and how to change that; network may be "". Of the networks that do
// run it names the one that was probably meant.
func noNode(network string, running ...string) error {
	what, name := "no node answers for network "+network, network
	if network == "" {
		what, name = "no node runs on this machine", "NETWORK"
	}
	what += suggest.DidYouMean(network, running)
	doctor := "vxmesh doctor"
	if network != "" {
		doctor += " " + network
	}
	return &cmdError{code: exitNoNode, err: errors.New(what), hints: []string{
		"run it here        sudo vxmesh join " + name,
		"see what is wrong  " + doctor,
	}}
}

// answer prints what a node answered, as JSON or as text makes it.
func answer[T any](w io.Writer, asJSON bool, v T, text func(T) string) error {
	if asJSON {
		return printJSON(w, v)
	}
	_, err := io.WriteString(w, text(v))
	return err
}

// errNodeLeft is how a stream ends that nobody interrupted.
var errNodeLeft = &cmdError{code: exitNoNode, err: errors.New("the node has left")}

// follow prints a stream as it comes, one line of JSON or of text each, until ctx ends. Text ""
// prints nothing.
func follow[T any](
	ctx context.Context, w io.Writer, asJSON bool, stream iter.Seq2[T, error], text func(T) string,
) error {
	lines := json.NewEncoder(w)
	for v, err := range stream {
		if err != nil {
			return err
		}
		if asJSON {
			err = lines.Encode(v)
		} else if line := text(v); line != "" {
			_, err = fmt.Fprintln(w, line)
		}
		if err != nil {
			return err
		}
	}
	if ctx.Err() == nil {
		return errNodeLeft
	}
	return nil
}
