package control

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/internal/suggest"
)

// A Topic is a part of GET /v1/events that can be asked for by itself.
type Topic string

// The topics, with the events that go with them.
const (
	TopicState Topic = "state" // peer_*, device_*, member, reload, warning; status when it has changed
	TopicPeers Topic = "peers" // peers, at the rate
	TopicStats Topic = "stats" // stats, at the rate
	TopicFDB   Topic = "fdb"   // fdb_*, vtep_*
	TopicLog   Topic = "log"   // log
)

// Topics lists all topics.
func Topics() []Topic { return []Topic{TopicState, TopicPeers, TopicStats, TopicFDB, TopicLog} }

// The bounds of [EventOptions.Rate].
const (
	MinRate = 100 * time.Millisecond
	MaxRate = time.Minute
)

// EventOptions select events.
type EventOptions struct {
	Topics []Topic       // none: every event but those of peers and log, as [Client.Events] gives them
	Rate   time.Duration // between two events of a kind that comes by the clock; 0 is 1 s
}

// EventsOf yields a snapshot and then the events of some topics, as [Client.Events] does. The snapshot
// has the status, and what the topics need to begin with.
func (c Client) EventsOf(ctx context.Context, o EventOptions) iter.Seq2[Event, error] {
	if len(o.Topics) == 0 {
		return c.Events(ctx)
	}
	names := make([]string, len(o.Topics))
	for i, t := range o.Topics {
		names[i] = string(t)
	}
	q := url.Values{"topics": {strings.Join(names, ",")}}
	if o.Rate != 0 {
		q.Set("rate", o.Rate.String())
	}
	return lines[Event](ctx, c, "/v1/events?"+q.Encode())
}

// eventOptions reads what a request selects. Without topics there is no rate, either: that is how a
// client asks that knows of none.
func eventOptions(r *http.Request) (o EventOptions, err error) {
	q := r.URL.Query()
	comma := func(c rune) bool { return c == ',' }
	for _, name := range strings.FieldsFunc(strings.Join(q["topics"], ","), comma) {
		t := Topic(name)
		if !slices.Contains(Topics(), t) {
			return o, unknownTopic(name)
		}
		o.Topics = append(o.Topics, t)
	}
	o.Rate = time.Second
	if text := q.Get("rate"); text != "" && len(o.Topics) > 0 {
		o.Rate, err = time.ParseDuration(text)
		if err != nil || o.Rate < MinRate || o.Rate > MaxRate {
			return o, Errorf(CodeUsage, "rate is a time from %v to %v, not %q", MinRate, MaxRate, text)
		}
	}
	return o, nil
}

func unknownTopic(name string) error {
	var known []string
	for _, t := range Topics() {
		known = append(known, string(t))
	}
	e := Errorf(CodeUsage, "there is no topic %q%s", name, suggest.DidYouMean(name, known))
	e.Fix = []string{"topics: " + strings.Join(known, ", ")}
	return e
}
