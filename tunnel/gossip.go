package tunnel

import (
	"math/rand/v2"
	"time"

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
	// compareAgain is how soon two that knew different things compare again, compareTries times.
	compareAgain = 2 * time.Second
	compareTries = 5
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
}

// news is an item that others should know.
type news struct {
	item roster.Item
	from *peer // who told us; nil: it is our own
	all  bool  // it goes to everybody
}

// heardOf is what the mesh keeps about how a peer's knowledge compares.
type heardOf struct {
	head    [40]byte      // of its revocations, as it said last
	gate    time.Duration // until then frames wait for the lists to be the same; 0: they do not
	compare time.Duration // when to compare again; 0: not
	tries   int
	greeted time.Duration // when it first said what it knows; 0: it has not
	tokens  float64       // of gossipRate
	filled  time.Duration
}

// spread has others told of a change.
func (c *membership) spread(ch roster.Change, from *peer) {
	urgent := ch.Kind == roster.ItemRevocation || ch.Kind == roster.ItemSecret
	if len(c.gossip.news) == 0 {
		c.gossip.due = c.m.n.now() + gossipPause
	}
	c.gossip.news = append(c.gossip.news, news{item: ch.Item, from: from, all: urgent || from == nil})
	if urgent { // before the sessions of whom it is about have ended, and whatever comes next
		c.flush(true)
	}
}

// round compares knowledge with others from time to time, and lets the news go out. The caller
// holds the mesh's lock.
func (c *membership) round(now time.Duration) {
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
		to := c.reachable()
		if !nw.all {
			to = c.some(gossipOn, nw.from)
		}
		for _, p := range to {
			if p != nw.from {
				mail[p] = append(mail[p], nw.item)
			}
		}
	}
	for p, items := range mail {
		for _, message := range roster.ItemMessages(items, gossipLen) {
			c.tell(p, message)
		}
	}
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
	if t := p.session.Current(); t != nil && p.path != nil {
		_, _ = p.sendControl(t, p.path.sock, p.path.remote, message)
	}
}

// greet compares knowledge with a member that there is a new session with. While one of the two
// knows of revocations that the other does not, frames wait.
func (c *membership) greet(now time.Duration, p *peer) {
	p.heardOf.head = p.session.Head()
	if p.heardOf.head != c.roster.Head() {
		p.heardOf.gate = now + gateFor
	}
	p.heardOf.tries = 0
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
	if p.member == nil || !p.heardOf.take(now) {
		p.dropPeer(drop.RateLimit)
		return
	}
	before := c.roster.Head()
	replies, changes, refused := c.roster.Receive(c.Wall(), message)
	for _, err := range refused {
		p.dropPeer(drop.Refused)
		c.m.n.log.Debug("item refused", "peer", p.name, "err", err)
	}
	for _, r := range replies {
		c.tell(p, r)
	}
	c.apply(changes, p)
	if s, ok := roster.ParseSummary(message); ok {
		p.heardOf.head = s.Head
		if p.heardOf.greeted == 0 {
			p.heardOf.greeted = now
		}
		if !c.roster.Agrees(s) {
			c.compareLater(now, p)
		}
	}
	if c.roster.Head() != before { // whose frames wait for us need to know
		c.tell(p, c.roster.Summary())
	}
}

// compareLater has two compare again that know different things: by then both know more.
func (c *membership) compareLater(now time.Duration, p *peer) {
	if g := &p.heardOf; g.tries < compareTries && g.compare == 0 {
		g.tries++
		g.compare = now + compareAgain
	}
}

// take takes one of the messages that the peer may send.
func (g *heardOf) take(now time.Duration) bool {
	if g.filled == 0 {
		g.tokens = gossipBurst
	}
	g.tokens = min(gossipBurst, g.tokens+gossipRate*(now-g.filled).Seconds())
	g.filled = now
	if g.tokens < 1 {
		return false
	}
	g.tokens--
	return true
}

// updated notes a certificate that a peer has shown in a handshake.
func (c *membership) updated(p *peer, s *session.Peer) {
	raw := s.Certificate()
	if p.member == nil || len(raw) == 0 {
		return
	}
	c.take(roster.Item{Kind: roster.ItemCertificate, Raw: raw}, p)
}
