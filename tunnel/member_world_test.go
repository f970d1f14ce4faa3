package tunnel_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/enrol"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
)

// scaleChange is how long it may take, whatever the network's size, until all have a record that changed.
const scaleChange = 3 * time.Second

// Nodes of a world that know each other by certificates: they are called fellows here, and the
// network that they are members of a guild. The first fellow founds it and is its admin.
//
// A fellow knows nobody to begin with. What it is told before it starts stands for what an invitation
// brings, or for what it kept from before.

// A guild is a network of fellows.
type guild struct {
	*world
	key       ed25519.PrivateKey // the network's
	anchor    roster.Anchor
	authority roster.Authority // the founder's
	number    uint64
	secret    [32]byte // what all know to begin with
	fellows   []*fellow
}

// A fellow is a member of a guild.
type fellow struct {
	*member
	g    *guild
	o    *tunnel.MembershipOptions
	sign ed25519.PrivateKey

	lock      sync.Mutex // guards the rest
	endpoints []netip.AddrPort
	kept      []roster.Item
	wrong     time.Duration // how far its time of day is ahead
	removed   *roster.Revocation
}

// guildsDay is the time of day when worlds begin.
var guildsDay = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// everything is what a fellow may do when a test does not care.
var everything = roster.Rights{Bridge: true}

// signKey is an Ed25519 key of a test.
func signKey(of string, i int) ed25519.PrivateKey {
	seed := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(of), uint64(i)))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicKey(key ed25519.PrivateKey) roster.SignKey {
	return roster.SignKey(key.Public().(ed25519.PublicKey))
}

// newGuild makes the network of a world, without fellows.
func newGuild(w *world) *guild {
	g := &guild{world: w, key: signKey("network", 1), number: 1, secret: [32]byte{1}}
	g.anchor = roster.Anchor{Key: [32]byte(publicKey(g.key))}
	founder := signKey("node", 1)
	g.authority = roster.Authority{
		Network: g.anchor.ID(), Key: founder, Delegation: roster.Delegate(g.key, publicKey(founder)),
	}
	return g
}

// simulateGuild runs f in a world with as many fellows, who know nobody and do not run.
func simulateGuild(t *testing.T, seed uint64, size int, f func(g *guild)) {
	t.Helper()
	simulate(t, seed, func(w *world) {
		g := newGuild(w)
		for range size {
			g.enlist(everything)
		}
		f(g)
	})
}

// wall is the right time of day.
func (g *guild) wall() time.Time { return guildsDay.Add(time.Since(g.origin)) }

// enlist makes a fellow with these rights. The first is the founder.
func (g *guild) enlist(rights roster.Rights) *fellow {
	g.t.Helper()
	f := &fellow{member: g.add(), g: g}
	f.sign = signKey("node", f.i)
	f.endpoints = []netip.AddrPort{f.addr}
	id := publicKey(f.sign).Node()
	f.o = &tunnel.MembershipOptions{
		Anchor: g.anchor, Sign: f.sign, Number: g.number, Secret: g.secret,
		Wall: f.wall, Addresses: f.addresses, Keep: f.keep, Revoked: f.revoked,
		Certificate: g.certify(f, rights, g.wall(), roster.CertificateLife),
	}
	if len(g.fellows) == 0 {
		f.o.Authority = &g.authority
	}
	f.options.Mesh.ID, f.options.Mesh.Membership = id, f.o
	f.options.Segments[0].All = true
	g.fellows = append(g.fellows, f)
	return f
}

// certify issues a certificate to a fellow.
func (g *guild) certify(
	f *fellow, rights roster.Rights, from time.Time, life time.Duration,
) *roster.Certificate {
	g.t.Helper()
	c, err := g.authority.Certify(roster.Certificate{
		Sign: publicKey(f.sign), Session: roster.SessionKey(f.options.Mesh.Key.Public()), Name: f.name,
		Rights: rights, NotBefore: from, NotAfter: from.Add(life),
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

// wall is the time of day as the fellow has it.
func (f *fellow) wall() time.Time {
	f.lock.Lock()
	defer f.lock.Unlock()
	return guildsDay.Add(f.clock() + f.wrong)
}

// setWall has the fellow's time of day be wrong by d.
func (f *fellow) setWall(d time.Duration) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.wrong = d
}

func (f *fellow) addresses() []netip.AddrPort {
	f.lock.Lock()
	defer f.lock.Unlock()
	return slices.Clone(f.endpoints)
}

// move has the fellow say that it is elsewhere.
func (f *fellow) move(to ...netip.AddrPort) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.endpoints = to
}

func (f *fellow) keep(items []roster.Item) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.kept = items
	return nil
}

func (f *fellow) revoked(r *roster.Revocation) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.removed = r
}

// told is the revocation that the fellow was told of as its own.
func (f *fellow) told() *roster.Revocation {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.removed
}

// id is the fellow's node id.
func (f *fellow) id() roster.NodeID { return publicKey(f.sign).Node() }

// meets has the fellow know certificates and addresses of others before it starts.
func (f *fellow) meets(others ...*fellow) *fellow {
	for _, o := range others {
		f.o.Items = append(f.o.Items, o.o.Certificate.Item())
		f.o.Seeds = append(f.o.Seeds, tunnel.Seed{
			Key: o.options.Mesh.Key.Public(), Endpoints: o.addresses(),
		})
	}
	return f
}

// allMeet has all fellows know the founder, and nobody else.
func (g *guild) allMeet() {
	for _, f := range g.fellows[1:] {
		f.meets(g.fellows[0])
	}
}

// begin starts fellows.
func begin(fellows ...*fellow) {
	for _, f := range fellows {
		f.start()
	}
}

// again starts a fellow that was stopped or killed, with what it kept and no seeds.
func (f *fellow) again() {
	f.lock.Lock()
	f.o.Items, f.o.Seeds = f.kept, nil
	f.lock.Unlock()
	f.restart()
}

// direct reports whether the fellow has a good path to another.
func (f *fellow) direct(to *fellow) bool {
	return slices.ContainsFunc(f.Peers().Peers, func(p control.Peer) bool {
		return p.Name == to.name && p.State == control.PeerDirect
	})
}

// whole reports whether the fellow knows n members, itself too, and has paths to all others.
func (f *fellow) whole(n int) bool {
	if len(f.Roster()) != n {
		return false
	}
	peers := f.Peers().Peers
	return len(peers) == n-1 && !slices.ContainsFunc(peers, func(p control.Peer) bool {
		return p.State != control.PeerDirect
	})
}

// full waits until all fellows that run know each other, and have paths to each other.
func (g *guild) full(d time.Duration) time.Duration {
	g.t.Helper()
	var run []*fellow
	for _, f := range g.fellows {
		if f.end != nil {
			run = append(run, f)
		}
	}
	left := slices.Clone(run)
	return g.within(d, "all fellows are a full mesh", func() bool {
		for len(left) > 0 && left[0].whole(len(run)) { // who was whole stays so
			left = left[1:]
		}
		return len(left) == 0
	})
}

// publish has a fellow tell the others something signed.
func (f *fellow) publish(items ...roster.Item) {
	f.w.t.Helper()
	if err := f.Publish(items); err != nil {
		f.w.t.Fatal(err)
	}
}

// lists reports whether the fellow takes another for a member.
func (f *fellow) lists(other *fellow) bool { return f.entry(other) != nil }

// entry is what the fellow knows of another.
func (f *fellow) entry(other *fellow) *roster.Member {
	list := f.Roster()
	i := slices.IndexFunc(list, func(m *roster.Member) bool { return m.ID == other.id() })
	if i < 0 {
		return nil
	}
	return list[i]
}

// dropped is how often the fellow dropped what came from another, for a reason.
func (f *fellow) dropped(from *fellow, reason string) uint64 {
	f.w.t.Helper()
	return f.counts(from.member).Drops[reason]
}

// A desk lets in who has one of its invitations, as often as each may be used.
type desk struct {
	authority roster.Authority

	mu     sync.Mutex
	uses   map[roster.InvitationID]int
	issued map[roster.SignKey]*roster.Certificate
	asked  int
	refuse *roster.Refusal // what everybody is told, if not nil
}

// opens gives a fellow a desk. It does not run yet.
func (f *fellow) opens() *desk {
	d := &desk{
		authority: f.g.authority, uses: make(map[roster.InvitationID]int),
		issued: make(map[roster.SignKey]*roster.Certificate),
	}
	f.o.Registrar = d
	return d
}

func (d *desk) Open(time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.uses) > 0
}

func (d *desk) Network() string { return "guild" }

func (d *desk) Delegate(roster.SignKey) (roster.Delegation, error) { return roster.Delegation{}, nil }

func (d *desk) Redeem(
	now time.Time, r *roster.Redeem, key roster.SessionKey, taken func(string) bool,
) (*roster.Certificate, error) {
	nameTaken := taken(r.Name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if c := d.issued[r.Sign]; c != nil {
		return c, nil
	}
	left, known := d.uses[r.Invitation]
	switch {
	case d.refuse != nil:
		return nil, d.refuse
	case !known:
		return nil, &roster.Refusal{Reason: roster.RefusedUnknown}
	case left == 0:
		return nil, &roster.Refusal{Reason: roster.RefusedUsed}
	case nameTaken:
		return nil, &roster.Refusal{Reason: roster.RefusedName}
	}
	c, err := d.authority.Certify(roster.Certificate{
		Sign: r.Sign, Session: key, Name: r.Name, Rights: everything,
		NotBefore: now, NotAfter: now.Add(roster.CertificateLife),
	})
	if err == nil {
		d.uses[r.Invitation]--
		d.issued[r.Sign] = c
	}
	return c, err
}

// invite makes an invitation to the guild, at the desk of a fellow.
func (d *desk) invite(f *fellow, uses int) *roster.Token {
	t := &roster.Token{
		Network: f.g.anchor.ID(), Inviter: roster.SessionKey(f.options.Mesh.Key.Public()),
		Seed: [32]byte{0xee, byte(len(d.uses))}, Expires: f.g.wall().Add(time.Hour).Truncate(time.Second),
		Endpoints: []netip.AddrPort{f.addr}, NetworkName: "guild", Rights: everything,
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uses[t.Invitation()] = uses
	return t
}

// joiner is what the i-th joiner brings to an invitation. It sits on a host of its own, with i above
// those of all fellows.
func (g *guild) joiner(t *roster.Token, i int) enrol.Options {
	host := g.net.Host(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
	return enrol.Options{
		Token: t, Session: nodeKey(1000 + i), Sign: signKey("joiner", i), Name: "joiner", Epoch: 1,
		ListenUDP: host.Listen,
	}
}

// admits makes a fellow of who joined, with what the inviter gave it.
func (g *guild) admits(o enrol.Options, r *enrol.Result) *fellow {
	g.t.Helper()
	c, err := roster.ParseCertificate(r.Grant.Certificate)
	if err != nil {
		g.t.Fatal(err)
	}
	f := g.enlist(everything)
	f.sign, f.name, f.options.Mesh.Key = o.Sign, c.Name, o.Session
	f.options.Mesh.ID, f.o.Sign, f.o.Certificate = f.id(), o.Sign, c
	f.o.Anchor, f.o.Number, f.o.Secret, f.o.Items = r.Grant.Anchor, r.Grant.Number, r.Grant.Secret, r.Items
	f.o.Seeds = []tunnel.Seed{
		{Key: session.PublicKey(o.Token.Inviter), Endpoints: []netip.AddrPort{r.Endpoint}},
	}
	return f
}

// enter redeems an invitation.
func enter(o enrol.Options) (*enrol.Result, error) { return enrol.Join(context.Background(), o) }
