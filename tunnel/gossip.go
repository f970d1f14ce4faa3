package tunnel

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
)

// How members tell each other who they are. What is new goes out at once: from whom it is about to
// all members that it reaches, from these to a few others each, whom it may not have reached. What
// got lost on the way comes to light when two compare what they know.

const (
	// gossipEvery is how often a member compares what it knows with gossipPeers others.
	gossipEvery = 30 * time.Second
	gossipPeers = 2
	// gossipOn is how many others are told what came from somebody else.
	gossipOn = 3
	// gossipPause is how long news are collected before they go out.
	gossipPause = 50 * time.Millisecond
	// gossipAgain is how soon what a node says for the first time is said once more: some of it gets lost.
	gossipAgain = time.Second
	// compareAgain is how soon two that knew different things compare again, compareTries times.
	compareAgain = 2 * time.Second
	compareTries = 5
	// compareRate bounds how many others a member tells all that it knows of in a second, and as many
	// at once. Where many start together each knows what it needs from the first few.
	compareRate = 4
	// gateFor is how long frames to a peer with another list of revocations wait at most until the
	// lists are the same.
	gateFor = 5 * time.Second
	// gossipRate bounds how many messages of one peer are taken in a second, gossipBurst at once.
	gossipRate  = 200
	gossipBurst = 2000
	// gossipLen is how long a message is at most: it fits an underlay of 576 bytes.
	gossipLen = 500
)

// gossip is what a member has to tell.
type gossip struct {
	clock time.Duration // when the slow things were looked at last
	round time.Duration // when others are asked next
	due   time.Duration // when the news go out
	news  []news
	again []news        // of our own, to be said once more
	next  time.Duration // when
	last  *roster.Item  // the last removal: it goes with secrets
	tells bucket        // of compareRate
}

// news is an item that others should know.
type news struct {
	item roster.Item
	from *peer // who told us; nil: it is our own
	all  bool  // it goes to everybody
	said bool  // once already
}

// heardOf is what the mesh keeps about how a peer's knowledge compares.
type heardOf struct {
	head    [40]byte      // of its revocations, as it said last
	gate    time.Duration // until then frames wait for the lists to be the same; 0: they do not
	compare time.Duration // when to compare again; 0: not
	tries   int
	greeted time.Duration // when it first said what it knows; 0: it has not
	epoch   uint32        // of its start that we compared with
	takes   bucket        // of gossipRate
}

// A bucket lets some events through in a second, and so many at once.
type bucket struct {
	tokens float64
	filled time.Duration // when it was filled up last; 0: never
}

func (b *bucket) take(now time.Duration, rate, burst float64) bool {
	if b.filled == 0 {
		b.tokens = burst
	}
	b.tokens = min(burst, b.tokens+rate*(now-b.filled).Seconds())
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// spread has others told of a change.
func (c *membership) spread(ch roster.Change, from *peer) {
	g := &c.gossip
	if len(g.news) == 0 {
		g.due = c.m.n.now() + gossipPause
	}
	if ch.Kind == roster.ItemRevocation && roster.RevocationKind(ch.Item.Raw[1]) != roster.Leave {
		g.last = &ch.Item
	}
	g.news = append(g.news, news{item: ch.Item, from: from, all: urgent(ch) || from == nil})
}

// urgent reports whether a change goes out at once, to everybody.
func urgent(ch roster.Change) bool {
	return ch.Kind == roster.ItemRevocation || ch.Kind == roster.ItemSecret
}

// round compares knowledge with others from time to time, and lets the news go out. The caller
// holds the mesh's lock.
func (c *membership) round(now time.Duration) {
	if g := &c.gossip; len(g.again) > 0 && now >= g.next {
		g.news, g.again = append(g.news, g.again...), nil
		g.due = now
	}
	c.flush(now >= c.gossip.due)
	for _, p := range c.m.peers {
		if p.member == nil || p.heardOf.compare == 0 || now < p.heardOf.compare {
			continue
		}
		p.heardOf.compare = 0
		c.tell(p, c.roster.Summary())
	}
	if now < c.gossip.round {
		return
	}
	c.gossip.round = now + gossipEvery - gossipEvery/8 + rand.N(gossipEvery/4)
	for _, p := range c.some(gossipPeers, nil) {
		c.tell(p, c.roster.Summary())
	}
}

// deadline is when round has something to do.
func (c *membership) deadline() time.Duration {
	next := c.gossip.round
	if c.stale {
		next = min(next, c.settled+settleEvery)
	}
	if len(c.gossip.news) > 0 {
		next = min(next, c.gossip.due)
	}
	if len(c.gossip.again) > 0 {
		next = min(next, c.gossip.next)
	}
	return next
}

// flush sends the news, as many as fit in one message.
func (c *membership) flush(due bool) {
	if !due || len(c.gossip.news) == 0 {
		return
	}
	list := c.gossip.news
	c.gossip.news = nil
	mail := make(map[*peer][]roster.Item)
	for _, nw := range list {
		c.sayAgain(nw)
		to := c.reachable()
		if !nw.all {
			to = c.some(gossipOn, nw.from)
		}
		for _, p := range to {
			if p != nw.from && c.mayHear(p, nw.item) {
				mail[p] = append(mail[p], nw.item)
			}
		}
	}
	for p, items := range mail {
		for _, message := range c.messages(items) {
			c.tell(p, message)
		}
	}
}

// sayAgain has news of our own go out once more.
func (c *membership) sayAgain(nw news) {
	if nw.from == nil && !nw.said {
		nw.said = true
		c.gossip.again = append(c.gossip.again, nw)
		c.gossip.next = c.m.n.now() + gossipAgain
	}
}

// messages packs news. A secret goes together with the last removal: who has missed that would tell the
// secret to whom it is to be kept from. Leaves do not count, which anybody can sign.
func (c *membership) messages(items []roster.Item) [][]byte {
	var rest []roster.Item
	var secrets [][]byte
	for _, it := range items {
		if last := c.gossip.last; it.Kind == roster.ItemSecret && last != nil {
			secrets = append(secrets, roster.ItemMessages([]roster.Item{*last, it}, gossipLen)...)
		} else {
			rest = append(rest, it)
		}
	}
	return append(roster.ItemMessages(rest, gossipLen), secrets...)
}

// mayHear reports whether a peer is told something. Who was removed a moment ago is told of that alone.
func (c *membership) mayHear(p *peer, it roster.Item) bool {
	return it.Kind == roster.ItemRevocation || !c.roster.Revoked(p.member.ID)
}

// reachable lists the members with whom there is a session and a path.
func (c *membership) reachable() (out []*peer) {
	for _, p := range c.m.peers {
		if p.member != nil && p.path != nil && p.session.Current() != nil {
			out = append(out, p)
		}
	}
	return out
}

// some picks a few members at random that are not without.
func (c *membership) some(n int, without *peer) (out []*peer) {
	all := c.reachable()
	for _, i := range rand.Perm(len(all)) {
		if len(out) == n {
			break
		}
		if all[i] != without {
			out = append(out, all[i])
		}
	}
	return out
}

// tell sends a message to a peer, if there is a way. It is not repeated: comparing brings it back.
func (c *membership) tell(p *peer, message []byte) {
	if t := p.session.Current(); t != nil {
		p.tell(t, message)
	}
}

// greet compares knowledge with a member that there is a new session with. While one of the two
// knows of revocations that the other does not, frames wait. New keys for a session that was good are
// no reason to compare: the members do so anyway, in turn.
func (c *membership) greet(now time.Duration, p *peer, was control.PeerState) {
	g := &p.heardOf
	g.head = p.session.Head()
	differ := g.head != c.roster.Head()
	if differ {
		g.gate = now + gateFor
	}
	if was != control.PeerDown && g.epoch == p.session.Epoch() && !differ {
		return
	}
	g.epoch, g.tries = p.session.Epoch(), 0
	c.tell(p, c.roster.Summary())
	if c.record != nil {
		for _, message := range roster.ItemMessages([]roster.Item{
			{Kind: roster.ItemCertificate, Raw: c.own().Raw}, {Kind: roster.ItemRecord, Raw: c.record.Raw},
		}, gossipLen) {
			c.tell(p, message)
		}
	}
}

// gated reports whether frames to a peer wait until both know of the same revocations.
func (c *membership) gated(now time.Duration, p *peer) bool {
	g := &p.heardOf
	if g.gate == 0 || now >= g.gate || g.head == c.roster.Head() {
		g.gate = 0
		return false
	}
	return true
}

// receive takes in a message of a member about members.
func (c *membership) receive(now time.Duration, p *peer, message []byte) {
	if p.member == nil || !p.heardOf.takes.take(now, gossipRate, gossipBurst) {
		p.dropPeer(drop.RateLimit)
		return
	}
	if s, ok := roster.ParseSummary(message); ok {
		c.compare(now, p, s)
		if c.putOff(now, s) {
			return
		}
	}
	before := c.roster.Head()
	replies, changes, refused := c.roster.Receive(c.Wall(), message)
	for _, err := range refused {
		if errors.Is(err, roster.ErrUnknown) {
			p.dropPeer(drop.Early)
		} else {
			p.dropPeer(drop.Refused)
		}
		c.m.n.log.Debug("item refused", "peer", p.name, "err", err)
	}
	for _, r := range replies {
		c.tell(p, r)
	}
	c.apply(changes, p)
	if c.roster.Head() != before { // whose frames wait for us need to know
		c.tell(p, c.roster.Summary())
	}
}

// compare notes what a peer says that it knows. Two that know different things compare again soon: by
// then both know more.
func (c *membership) compare(now time.Duration, p *peer, s roster.Summary) {
	g := &p.heardOf
	g.head = s.Head
	if g.greeted == 0 {
		g.greeted = now
	}
	switch {
	case c.roster.Agrees(s):
		g.tries = 0
	case g.tries < compareTries && g.compare == 0:
		g.tries++
		g.compare = now + compareAgain
	}
}

// putOff reports whether a summary is left for when the two compare again: it is about members alone,
// and several others were answered just now.
func (c *membership) putOff(now time.Duration, s roster.Summary) bool {
	return s.Head == c.roster.Head() && s.Secret == c.roster.SecretNumber() && !c.roster.Agrees(s) &&
		!c.gossip.tells.take(now, compareRate, compareRate)
}

// updated notes a certificate that a peer has shown in a handshake.
func (c *membership) updated(p *peer, s *session.Peer) {
	raw := s.Certificate()
	if p.member == nil || len(raw) == 0 {
		return
	}
	c.take(roster.Item{Kind: roster.ItemCertificate, Raw: raw}, p)
}
