package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A peerChange is a command that has the node do something about one peer.
type peerChange struct {
	use, short, long, example string
	do                        func(control.Client, context.Context, string) (control.PeerResult, error)
	text                      func(control.PeerResult) string
}

func newPeerPauseCmd(g *globals) *cobra.Command {
	return newPeerChangeCmd(g, peerChange{
		use:   "pause PEER",
		short: "Exchange nothing with a peer for now",
		long: "Ends the session with a peer. Nothing is sent to it nor taken from it, and what was learned\n" +
			"behind it is forgotten, until `vxmesh peer resume`, or until the node here is started anew.\n" +
			"Other nodes go on talking to it.",
		example: "  vxmesh peer pause nas\n  vxmesh peer resume nas",
		do:      control.Client.PausePeer,
		text: func(r control.PeerResult) string {
			return fmt.Sprintf("%[1]s is paused, until `vxmesh peer resume %[1]s` or a restart of the node\n",
				r.Peer.Name)
		},
	})
}

func newPeerResumeCmd(g *globals) *cobra.Command {
	return newPeerChangeCmd(g, peerChange{
		use:     "resume PEER",
		short:   "Take a pause back",
		long:    "Has the node talk to a peer again that `vxmesh peer pause` has paused.",
		example: "  vxmesh peer resume nas",
		do:      control.Client.ResumePeer,
		text:    func(r control.PeerResult) string { return r.Peer.Name + " is called again\n" },
	})
}

func newPeerReconnectCmd(g *globals) *cobra.Command {
	return newPeerChangeCmd(g, peerChange{
		use:   "reconnect PEER",
		short: "Look for the way to a peer from the beginning",
		long: "Tries every address of a peer again at once, through NATs, too, and makes a new session with\n" +
			"it. What is up stays up until there is something better.",
		example: "  vxmesh peer reconnect nas\n  vxmesh why nas",
		do:      control.Client.ReconnectPeer,
		text: func(r control.PeerResult) string {
			return fmt.Sprintf("%[1]s is looked for from the beginning: `vxmesh why %[1]s` tells what comes of it\n",
				r.Peer.Name)
		},
	})
}

func newPeerChangeCmd(g *globals, c peerChange) *cobra.Command {
	return &cobra.Command{
		Use: c.use, Short: c.short, Long: c.long, Example: c.example,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			node, err := g.client()
			if err != nil {
				return err
			}
			r, err := c.do(node, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, r, c.text)
		},
	}
}
