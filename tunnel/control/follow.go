package control

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// A follower is a client of GET /v1/events that asked for topics.
type follower struct {
	s       *server
	out     lineWriter
	o       EventOptions
	status  uint64 // the number of the status that it was told last
	changes <-chan Event
	records <-chan LogRecord
}

func (f *follower) wants(t Topic) bool { return slices.Contains(f.o.Topics, t) }

// topicOf is the topic that an event of the [Hub] belongs to.
func topicOf(t EventType) Topic {
	if strings.HasPrefix(string(t), "fdb_") || strings.HasPrefix(string(t), "vtep_") {
		return TopicFDB
	}
	return TopicState
}

// follow answers with a snapshot and then the events of some topics. As in [server.events], the
// subscriptions are older than the snapshot.
func (s *server) follow(w http.ResponseWriter, r *http.Request, o EventOptions) {
	f := &follower{s: s, o: o}
	if f.wants(TopicState) || f.wants(TopicFDB) {
		changes, cancel := s.b.Events.subscribe(func(e Event) bool { return f.wants(topicOf(e.Type)) })
		defer cancel()
		f.changes = changes
	}
	var kept []LogRecord
	if f.wants(TopicLog) {
		var cancel func()
		kept, f.records, cancel = s.b.Log.Follow()
		defer cancel()
	}
	f.out = newLineWriter(w)
	if f.out.send(f.snapshot(kept)) != nil {
		return
	}
	tick := time.NewTicker(o.Rate)
	defer tick.Stop()
	if !f.wants(TopicState) && !f.wants(TopicPeers) && !f.wants(TopicStats) {
		tick.Stop()
	}
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			err = f.tick()
		case e, ok := <-f.changes:
			err = relay(f.out, e, ok, len(f.changes))
		case rec, ok := <-f.records:
			err = relay(f.out, Event{Time: rec.Time, Type: EventLog, Record: &rec}, ok, len(f.records))
		}
		if err != nil {
			abortIfCutOff(err)
			return
		}
	}
}

// snapshot is what the topics begin with.
func (f *follower) snapshot(kept []LogRecord) Event {
	status, number := f.s.shared.takeStatus(f.s.takeStatus)
	f.status = number
	e := Event{Schema: SchemaEvents, Time: time.Now(), Type: EventSnapshot, Status: &status}
	if f.wants(TopicFDB) {
		fdb := f.s.takeFDB(FDBFilter{})
		e.FDB = &fdb
	}
	if f.wants(TopicStats) {
		stats, history := f.s.takeStats(), f.s.takeHistory()
		e.Stats, e.History = &stats, &history
	}
	if f.wants(TopicLog) {
		e.Log = append(List[LogRecord]{}, kept...)
	}
	return e
}

// tick sends what comes by the clock. Others may have had the same lines a moment ago.
func (f *follower) tick() error {
	var lines []byte
	sh, fresh := &f.s.shared, f.o.Rate/2
	if f.wants(TopicState) {
		line, number := sh.statusLine(f.status, fresh, f.s.takeStatus)
		lines, f.status = append(lines, line...), number
	}
	if f.wants(TopicPeers) {
		lines = append(lines, sh.peers.line(fresh, func(now time.Time) Event {
			peers := f.s.takePeers()
			return Event{Time: now, Type: EventPeers, Peers: &peers}
		})...)
	}
	if f.wants(TopicStats) {
		lines = append(lines, sh.stats.line(fresh, func(now time.Time) Event {
			stats := f.s.takeStats()
			return Event{Time: now, Type: EventStats, Stats: &stats}
		})...)
	}
	if len(lines) == 0 {
		return nil
	}
	if _, err := f.out.w.Write(lines); err != nil {
		return err
	}
	return f.out.flush()
}

// shared is what all followers are told alike: it is taken and written as JSON once.
type shared struct {
	peers, stats reading
	status       statusReading
}

// A reading is an event that is good for a while.
type reading struct {
	mu   sync.Mutex
	at   time.Time
	text []byte // never changed, only replaced
}

// line gives the event as one line of JSON, which is no older than fresh.
func (r *reading) line(fresh time.Duration, take func(now time.Time) Event) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.text == nil || now.Sub(r.at) >= fresh {
		r.at, r.text = now, lineOf(take(now))
	}
	return r.text
}

// A statusReading numbers what differs of a status.
type statusReading struct {
	mu     sync.Mutex
	at     time.Time
	number uint64
	now    Status
	steady Status // what of it was compared
	text   []byte // of the event; nil until somebody needs it
}

// look takes the status. The caller holds mu.
func (r *statusReading) look(take func() Status) {
	r.at, r.now = time.Now(), take()
	steady := steadyPart(r.now)
	if r.number == 0 || !reflect.DeepEqual(steady, r.steady) {
		r.number, r.steady, r.text = r.number+1, steady, nil
	}
}

// takeStatus gives the status as it is now, and its number.
func (s *shared) takeStatus(take func() Status) (Status, uint64) {
	r := &s.status
	r.mu.Lock()
	defer r.mu.Unlock()
	r.look(take)
	return r.now, r.number
}

// statusLine gives the number of the status, no older than fresh, and the event that tells of it to
// somebody who knows another.
func (s *shared) statusLine(known uint64, fresh time.Duration, take func() Status) ([]byte, uint64) {
	r := &s.status
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.number == 0 || time.Since(r.at) >= fresh {
		r.look(take)
	}
	if r.number == known {
		return nil, known
	}
	if r.text == nil {
		r.text = lineOf(Event{Time: r.at, Type: EventStatus, Status: &r.now})
	}
	return r.text, r.number
}

// steadyPart is a status without what changes all the time: clocks, counters and what is measured.
func steadyPart(s Status) Status {
	s.UptimeSeconds = 0
	s.Peers = slices.Clone(s.Peers)
	for i := range s.Peers {
		p := &s.Peers[i]
		*p = Peer{
			Name: p.Name, ID: p.ID, State: p.State, Reason: p.Reason, Since: p.Since, Cipher: p.Cipher, Path: p.Path,
		}
		if p.Path != nil {
			path := *p.Path
			path.RTTSeconds, path.LossRatio = 0, 0
			p.Path = &path
		}
	}
	return s
}

// lineOf is an event as one line of JSON.
func lineOf(e Event) []byte {
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(e) // the types of this package can all be written
	return b.Bytes()
}
