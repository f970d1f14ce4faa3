package roster

import (
	"errors"
	"slices"
	"time"
)

// Bounds of what a roster holds. What is beyond one is refused: nothing that is in force goes for it.
const (
	maxMembers     = 2048
	maxRevocations = 1024
	// maxStrangers is how many leaves there may be of nodes without a certificate here: anybody can
	// make up a node and sign its leave, so these must not take the room of the others.
	maxStrangers = maxRevocations / 2
	// reserved is how many revocations only the network's key can add, so that no admin is able to
	// fill the list before its own removal.
	reserved = 64
)

// Why an item was refused, where somebody asks.
var (
	ErrRevoked = errors.New("it is of a node that is revoked")
	ErrFull    = errors.New("there is no room for it")
	// ErrUnknown is no fault of whoever told: the record of a node has overtaken its certificate.
	ErrUnknown = errors.New("no certificate of its node is known")
)

var (
	errIssuer   = errors.New("its issuer is revoked")
	errLongAgo  = errors.New("it expired long ago")
	errLoopback = errors.New("it has a loopback endpoint")
	errItemKind = errors.New("an item of unknown kind")
)

// Options are what a roster starts from.
type Options struct {
	Anchor        Anchor
	Self          NodeID    // this node: its certificate is taken whatever the time of day is
	AllowLoopback bool      // records may have loopback endpoints, as in tests
	Built         time.Time // of this program: it cannot be earlier; zero: not known
}

// A Roster is all that one node knows of who belongs to the network. It takes items in any order, and
// two rosters that were given the same items say the same.
//
// So it keeps whatever may count some day, and works out what counts when it is asked. Only what
// cannot come back is dropped: nodes that left or that the network's key removed, what these issued,
// and certificates that expired a month ago.
//
// One goroutine at a time may use it. What it returns is not to be changed, and never does.
type Roster struct {
	o         Options
	now       time.Time // as the last caller said
	restoring bool      // the items were here before, so none of their nodes is new

	nodes   map[NodeID]*node
	members int             // nodes with a certificate
	admins  map[NodeID]Item // who has a delegation, with the smallest item that proves it
	revoked revocations
	secrets []*Secret // newest first; see keepSecret
	newest  time.Time // that something is dated which is no forgery: see noteTime
	forget  time.Time // when a certificate is to be forgotten next; zero: never

	// What is worked out, until the next change.
	order   []*node // with a certificate, by id
	view    *view
	summary *Summary
	head    *[40]byte

	cursor int // which revocation is told next, when there are too many for one reply
}

// New makes a roster that knows nobody.
func New(o Options) *Roster {
	return &Roster{
		o: o, nodes: make(map[NodeID]*node), admins: make(map[NodeID]Item),
		revoked: revocations{
			all: make(map[revocationKey]*Revocation), final: make(map[NodeID]bool),
			removals: make(map[NodeID][]*Revocation),
		},
	}
}

// A Change is what came of an item. The zero Change says that it was known, or is too old to matter.
type Change struct {
	Kind  ItemKind
	Node  NodeID // whom it is about; zero for a secret
	Item  Item
	Fresh bool // it changed something, and others should know
}

// Add takes an item in, after checking who signed it. An error says why it was refused.
func (r *Roster) Add(now time.Time, it Item) (Change, error) {
	r.tick(now)
	switch it.Kind {
	case ItemCertificate:
		return r.addCertificate(it.Raw)
	case ItemRecord:
		return r.addRecord(it.Raw)
	case ItemRevocation:
		return r.addRevocation(it.Raw)
	case ItemSecret:
		return r.addSecret(it.Raw)
	}
	return Change{}, errItemKind
}

// Restore takes in what [Roster.Items] gave before this node was started again. It checks what Add
// checks, but not the time of day: where the clock is wrong after a start, the members are still who
// they were. It returns why items were refused.
func (r *Roster) Restore(now time.Time, items []Item) (refused []error) {
	r.restoring = true
	defer func() { r.restoring = false }()
	for _, it := range items {
		if _, err := r.Add(now, it); err != nil {
			refused = append(refused, err)
		}
	}
	return refused
}

// Items is all that is worth keeping, and telling to somebody who knows nothing, in an order in which
// Add takes it: secrets, certificates, revocations, records.
func (r *Roster) Items() []Item {
	var all []Item
	for _, s := range r.secretsInForce() {
		all = append(all, s.Item())
	}
	var records []Item
	for _, n := range r.sorted() {
		for _, c := range n.certificates[:min(len(n.certificates), 2)] {
			all = append(all, c.Item())
		}
		if n.record != nil {
			records = append(records, n.record.Item())
		}
	}
	var revocations []Item
	for _, v := range r.Revocations() {
		revocations = append(revocations, v.Item())
	}
	all = append(all, r.proofsBeside(all, revocations)...)
	return slices.Concat(all, revocations, records)
}

// touch forgets what was worked out.
func (r *Roster) touch() { r.view, r.summary = nil, nil }

// tick notes what time it is, and forgets whose certificates expired long ago.
func (r *Roster) tick(now time.Time) {
	r.now = now
	if r.forget.IsZero() || now.Before(r.forget) || r.clock() != nil {
		return
	}
	r.forget = time.Time{}
	for _, n := range r.nodes {
		if len(n.certificates) > 0 {
			r.forgetAt(n)
		}
	}
}
