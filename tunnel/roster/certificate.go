package roster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// How long a certificate is good for, and when its node sees to the next one.
const (
	CertificateLife = 90 * 24 * time.Hour
	RenewAfter      = 60 * 24 * time.Hour // since its not-before
	ExpiryWarning   = 14 * 24 * time.Hour // before its not-after
)

// clockSlack is how far a node's clock may be behind that of the issuer.
const clockSlack = 10 * time.Minute

// MaxSegments is how many segments rights name at most.
const MaxSegments = 8

// Why a certificate is not valid at a time.
var (
	ErrExpired = errors.New("the certificate has expired")
	ErrNotYet  = errors.New("the certificate is not valid yet")
)

// Why a certificate cannot be.
var (
	errPeriod = errors.New("it ends before it begins")
	errKey    = errors.New("a key in it is one that nobody can have")
	errMACs   = errors.New("the limit of MAC addresses is not between 0 and 65535")
)

// Flags of rights.
const (
	flagBridge = 1 << iota
	flagAdmin
)

// Rights are what a node may do in the network.
type Rights struct {
	Segments []uint32 // VNIs, ascending, at most [MaxSegments]; none stands for all
	Bridge   bool     // whether it may send from MAC addresses of others behind it
	MACs     int      // how many per segment, at most 65,535; 0 leaves that to the config
	Admin    bool     // what its certificate says of it; it is a [Delegation] that makes an admin
}

// Allows tells whether the node may be in the segment.
func (r Rights) Allows(vni uint32) bool {
	return vni != 0 && vni <= maxVNI && (len(r.Segments) == 0 || slices.Contains(r.Segments, vni))
}

func (r Rights) flags() (f byte) {
	if r.Bridge {
		f |= flagBridge
	}
	if r.Admin {
		f |= flagAdmin
	}
	return f
}

// setFlags is the inverse of flags.
func (r *Rights) setFlags(f byte) { r.Bridge, r.Admin = f&flagBridge != 0, f&flagAdmin != 0 }

// A Certificate makes a node a member: an admin binds its keys to a name and to rights.
//
//	byte 0      1       2 .. 33    34 .. 65      66 .. 69     70 .. 73    74 75
//	version 1   flags   sign key   session key   not before   not after   MAC limit
//
//	byte 76   77 ..
//	count     VNIs, 3 each   length 1   name   issuer 32   delegation 64   signature 64
//
// Flag bit 0 is Bridge, bit 1 is Admin.
type Certificate struct {
	Sign      SignKey
	Session   SessionKey
	Name      string // see [ValidName]
	Rights    Rights
	NotBefore time.Time // whole seconds, as is NotAfter
	NotAfter  time.Time

	Issuer     SignKey
	Delegation Delegation // of the issuer
	Raw        []byte     // the encoding, at most 294 bytes
}

// Certify issues a certificate; Issuer, Delegation and Raw of c are not looked at.
func (a Authority) Certify(c Certificate) (*Certificate, error) {
	b, err := c.appendBody(make([]byte, 0, MaxItem))
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return ParseCertificate(a.seal(contextCertificate, b))
}

// appendBody checks what has no encoding; everything else is for [ParseCertificate].
func (c *Certificate) appendBody(b []byte) ([]byte, error) {
	if c.Rights.MACs < 0 || c.Rights.MACs > math.MaxUint16 {
		return nil, errMACs
	}
	if err := errors.Join(checkTime(c.NotBefore), checkTime(c.NotAfter)); err != nil {
		return nil, errTime
	}
	b = append(b, version, c.Rights.flags())
	b = append(append(b, c.Sign[:]...), c.Session[:]...)
	b = appendTime(appendTime(b, c.NotBefore), c.NotAfter)
	b = binary.BigEndian.AppendUint16(b, uint16(c.Rights.MACs))
	b, err := appendSegments(b, c.Rights.Segments)
	return appendText(b, c.Name), err
}

// ParseCertificate reads a certificate. It checks its form, not its signatures.
func ParseCertificate(b []byte) (*Certificate, error) {
	r := reader{rest: b}
	r.version()
	c := &Certificate{}
	c.Rights.setFlags(r.flags(flagBridge | flagAdmin))
	c.Sign, c.Session = r.array32(), r.array32()
	c.NotBefore, c.NotAfter = r.time(), r.time()
	c.Rights.MACs = int(r.uint16())
	c.Rights.Segments = r.segments()
	c.Name = r.name()
	c.Issuer, c.Delegation = r.array32(), r.array64()
	r.refuseIf(!c.NotBefore.Before(c.NotAfter), errPeriod)
	r.refuseIf(c.Sign.weak() || c.Session == SessionKey{}, errKey)
	if err := r.signature(); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	c.Raw = bytes.Clone(b)
	return c, nil
}

// Node is the id of the node whose certificate this is.
func (c *Certificate) Node() NodeID { return c.Sign.Node() }

// Verify checks that an admin of the network issued the certificate: the delegation, then the
// signature. Whether it is time for it, and whether somebody was revoked, are other questions.
func (c *Certificate) Verify(a Anchor) error {
	if err := verifyIssued(a, contextCertificate, c.Issuer, c.Delegation, c.Raw); err != nil {
		return fmt.Errorf("certificate of %q: %w", c.Name, err)
	}
	return nil
}

// ValidAt tells whether the certificate is valid at a time, with ten minutes of slack for clocks that
// are behind; the error wraps [ErrExpired] or [ErrNotYet].
func (c *Certificate) ValidAt(now time.Time) error {
	if now.Before(c.NotBefore.Add(-clockSlack)) {
		return fmt.Errorf("%w: from %s on", ErrNotYet, c.NotBefore.Format(time.RFC3339))
	}
	if !now.Before(c.NotAfter) {
		return fmt.Errorf("%w: on %s", ErrExpired, c.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// Newer tells whether the certificate takes the place of another one of the same node: the one that
// begins later does; of two that begin together, the one with the larger bytes.
func (c *Certificate) Newer(than *Certificate) bool {
	if !c.NotBefore.Equal(than.NotBefore) {
		return c.NotBefore.After(than.NotBefore)
	}
	return bytes.Compare(c.Raw, than.Raw) > 0
}
