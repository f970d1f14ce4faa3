package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// allTopics is the word for every topic.
const allTopics = "all"

func newEventsCmd(g *globals) *cobra.Command {
	var topics []string
	cmd := &cobra.Command{
		Use:   "events [NETWORK]",
		Short: "Show what changes while it changes",
		Example: "  vxmesh events\n  vxmesh events --topics state,log\n" +
			"  vxmesh events --json --topics all > monday.ndjson; vxmesh tui --replay monday.ndjson",
		Long: "Shows every change of the FDB, of peers, VTEPs, devices and the config while it happens.\n" +
			"With --json each line is an object, the first a snapshot of everything, and the\n" +
			"counters come once a second. A recording for vxmesh tui --replay wants --topics all.",
		Args: orNetwork,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			events := c.EventsOf(cmd.Context(), control.EventOptions{Topics: eventTopics(topics)})
			return follow(cmd.Context(), cmd.OutOrStdout(), g.json, events, eventText)
		},
	}
	cmd.Flags().StringSliceVar(&topics, "topics", nil,
		"only these: "+strings.Join(topicWords(), ", ")+" (default: state, stats and fdb)")
	return cmd
}

// topicWords are what --topics takes.
func topicWords() []string {
	names := []string{allTopics}
	for _, t := range control.Topics() {
		names = append(names, string(t))
	}
	return names
}

// eventTopics makes topics of their names; the node knows which there are.
func eventTopics(names []string) (topics []control.Topic) {
	for _, name := range names {
		if name == allTopics {
			return control.Topics()
		}
		topics = append(topics, control.Topic(name))
	}
	return topics
}

// eventText is an event on one line; "" for what comes by the clock, which would bury everything else.
func eventText(e control.Event) string {
	if e.Record != nil {
		return recordText(*e.Record)
	}
	what := eventDetail(e)
	if what == "" {
		return ""
	}
	where := ""
	if e.VNI != 0 {
		where = fmt.Sprintf("vni %d  ", e.VNI)
	}
	return fmt.Sprintf("%s  %-12s  %s%s", e.Time.Local().Format(time.TimeOnly), e.Type, where, what)
}

func eventDetail(e control.Event) string {
	switch {
	case (e.Type == control.EventSnapshot || e.Type == control.EventStatus) && e.Status != nil:
		return networkText(e.Status, e.FDB)
	case e.Entry != nil:
		return entryText(e.Entry, e.From)
	case e.VTEP != nil:
		return withReason(fmt.Sprintf("%s (%s) is %s", e.VTEP.Remote, e.VTEP.Kind, e.VTEP.State),
			e.VTEP.Reason)
	case e.Type == control.EventPeerMTU && e.Peer != nil && e.Peer.Path != nil:
		return fmt.Sprintf("%s: the path carries %d bytes", e.Peer.Name, e.Peer.Path.MTU)
	case e.Peer != nil:
		return withReason(fmt.Sprintf("%s is %s", e.Peer.Name, e.Peer.State),
			cmp.Or(e.Reason, e.Peer.Reason))
	case e.Type == control.EventMember:
		return memberEventText(e)
	case e.Device != nil:
		return withReason(fmt.Sprintf("%s is %s", e.Device.Name, e.Device.State), e.Reason)
	case e.Reload != nil:
		return plural(len(e.Reload.Changes), "change", "changes")
	case e.Warning != nil:
		return e.Warning.Message
	case e.Type == control.EventFDBAged:
		return "forgot " + plural(e.Count, "silent entry", "silent entries")
	case e.Type == control.EventFDBFlushed:
		return "removed " + plural(e.Count, "entry", "entries")
	case e.Type == control.EventFDBLimit:
		return withReason(plural(e.Count, "address", "addresses")+" not learned", e.Reason)
	case e.Type == control.EventReload:
		return withReason("refused", e.Reason)
	case e.Type == control.EventStats, e.Type == control.EventPeers:
		return ""
	}
	return withReason("-", e.Reason) // of a newer node
}

// networkText says how the network is; fdb may be nil.
func networkText(s *control.Status, fdb *control.FDB) string {
	text := fmt.Sprintf("%s is %s, %s", s.Network, s.State, plural(len(s.Segments), "segment", "segments"))
	if fdb != nil {
		text += ", " + plural(len(fdb.Entries), "entry", "entries")
	}
	return text
}

// memberEventText says what became of a member.
func memberEventText(e control.Event) string {
	if e.Reason == "renamed" {
		return e.Name + " has this name now"
	}
	what, ok := map[string]string{"joined": "has joined", "removed": "was removed", "left": "has left"}[e.Reason]
	if !ok {
		what = e.Reason // of a newer node
	}
	return e.Name + " " + what
}

func entryText(e *control.FDBEntry, from *control.FDBPort) string {
	mac := e.MAC.String()
	if e.VLAN != 0 {
		mac += fmt.Sprintf(" vlan %d", e.VLAN)
	}
	if from != nil {
		return fmt.Sprintf("%s  %s -> %s", mac, portText(*from), portText(e.Port))
	}
	return fmt.Sprintf("%s  %s", mac, portText(e.Port))
}

func withReason(text, reason string) string {
	if reason == "" {
		return text
	}
	return text + ": " + reason
}
