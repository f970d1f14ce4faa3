package enrol

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

const (
	// patience is how long the inviter is tried to be reached, and answerFor how long an answer is
	// waited for once it was.
	patience  = 20 * time.Second
	answerFor = 20 * time.Second
	// again is how often the redemption is repeated until it is answered.
	again = 500 * time.Millisecond
	// silent is how long the inviter may say nothing before it is called again.
	silent = 2 * time.Second
	// tick is how often the joiner looks what is due.
	tick = 50 * time.Millisecond
)

// ErrNoAnswer is wrapped by what [Join] returns when the inviter was not reached.
var ErrNoAnswer = errors.New("nobody answers")

// Options is what a joiner brings. The keys must be on the disk already: what is issued is issued to
// them, once.
type Options struct {
	Token   *roster.Token
	Session session.PrivateKey
	Sign    ed25519.PrivateKey
	Name    string // what the node wants to be called
	Epoch   uint32 // greater than at any start before

	Log       *slog.Logger                                        // nil discards
	ListenUDP func(netip.AddrPort, udp.Options) (udp.Conn, error) // nil is [udp.Listen]
}

// A Result is what a joiner brings home.
type Result struct {
	Grant    *roster.Grant
	Items    []roster.Item  // the inviter's own certificate and record
	Endpoint netip.AddrPort // where the inviter was reached
}

// Join redeems an invitation. The error is a [*roster.Refusal] when the inviter said no, and wraps
// [ErrNoAnswer] when nobody said anything in time. It may be called again with the same keys, and
// then brings the same certificate.
func Join(ctx context.Context, o Options) (*Result, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ListenUDP == nil {
		o.ListenUDP = func(a netip.AddrPort, uo udp.Options) (udp.Conn, error) { return udp.Listen(a, uo) }
	}
	j := &joiner{o: o, start: time.Now(), datagrams: make(chan datagram)}
	j.endpoint = session.New(session.Options{
		Key: o.Session, ID: sha256.Sum256(o.Sign.Public().(ed25519.PublicKey)), Network: o.Token.Network,
		Secrets: [][32]byte{roster.DoorSecret(o.Token.Network, o.Token.Inviter)},
		Epoch:   o.Epoch, Hardware: session.HardwareAES(),
	})
	var err error
	if j.peer, err = j.endpoint.Add(session.PublicKey(o.Token.Inviter)); err != nil {
		return nil, fmt.Errorf("invitation: %w", err)
	}
	if err := j.open(); err != nil {
		return nil, err
	}
	defer j.close()
	return j.run(ctx)
}

// noAnswer says where nobody answered, or what kept us from asking.
func (j *joiner) noAnswer() error {
	var tried []string
	for _, a := range j.o.Token.Endpoints {
		words := a.String()
		if err := j.failed[a]; err != nil {
			words += " (" + err.Error() + ")"
		}
		tried = append(tried, words)
	}
	slices.Sort(tried)
	if j.t != nil {
		return fmt.Errorf("%w: %s was reached and does not go on", ErrNoAnswer, j.from)
	}
	return fmt.Errorf("%w at %s", ErrNoAnswer, strings.Join(tried, ", "))
}
