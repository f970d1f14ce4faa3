package roster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"
)

// version is the first byte of every object but the messages.
const version = 1

// Why bytes are not an object.
var (
	errShort   = errors.New("it ends early")
	errLong    = errors.New("there are bytes behind its end")
	errVersion = errors.New("its version is unknown")
	errFlags   = errors.New("a reserved bit is set")
	errMany    = errors.New("a list is too long")
	errOrder   = errors.New("a list is not strictly ascending")
	errVNI     = errors.New("a VNI is not between 1 and 16777215")
	errTime    = errors.New("a time is not between 1970 and 2106")
)

// A reader takes an object apart, front to back. After an error, which stays, it reads zeros.
type reader struct {
	rest []byte
	err  error
}

// refuse keeps the first error; nil is none.
func (r *reader) refuse(err error) {
	if r.err == nil {
		r.err = err
	}
}

// refuseIf is refuse with err when bad.
func (r *reader) refuseIf(bad bool, err error) {
	if bad {
		r.refuse(err)
	}
}

// take reads n bytes, which are borrowed.
func (r *reader) take(n int) []byte {
	r.refuseIf(len(r.rest) < n, errShort)
	if r.err != nil {
		return make([]byte, n)
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uint8() uint8   { return r.take(1)[0] }
func (r *reader) uint16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) array32() [32]byte { return [32]byte(r.take(32)) }
func (r *reader) array64() [64]byte { return [64]byte(r.take(64)) }
func (r *reader) text() string      { return string(r.take(int(r.uint8()))) }
func (r *reader) time() time.Time   { return time.Unix(int64(r.uint32()), 0).UTC() }

// version reads the one version that there is.
func (r *reader) version() { r.refuseIf(r.uint8() != version, errVersion) }

// flags reads a byte of which only the bits of known may be set.
func (r *reader) flags(known uint8) uint8 {
	f := r.uint8()
	r.refuseIf(f&^known != 0, errFlags)
	return f
}

// name reads a text that is a name.
func (r *reader) name() string {
	s := r.text()
	r.refuseIf(ValidName(s) != nil, ErrName)
	return s
}

// list reads a count and so many elements of size bytes, which are borrowed.
func (r *reader) list(most, size int) [][]byte {
	count := int(r.uint8())
	r.refuseIf(count > most, errMany)
	var all [][]byte
	for i := range count {
		all = append(all, r.take(size))
		r.refuseIf(i > 0 && bytes.Compare(all[i-1], all[i]) >= 0, errOrder)
	}
	return all
}

// signature skips the signature at the end, which only Verify looks at, and tells what was wrong.
func (r *reader) signature() error {
	r.take(64)
	return r.end()
}

// end tells what was wrong.
func (r *reader) end() error {
	r.refuseIf(len(r.rest) > 0, errLong)
	return r.err
}

// appendList appends a count and the elements, which it puts into the one order in which they may
// stand, each once.
func appendList(b []byte, all [][]byte, most int) ([]byte, error) {
	slices.SortFunc(all, bytes.Compare)
	all = slices.CompactFunc(all, bytes.Equal)
	if len(all) > most {
		return nil, fmt.Errorf("%w: %d, at most %d", errMany, len(all), most)
	}
	b = append(b, byte(len(all)))
	for _, e := range all {
		b = append(b, e...)
	}
	return b, nil
}

// appendTime appends a time in seconds; one outside of 32 bits becomes the nearest inside.
func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(min(max(t.Unix(), 0), math.MaxUint32)))
}

// checkTime tells whether a time has an encoding.
func checkTime(t time.Time) error {
	if s := t.Unix(); s < 0 || s > math.MaxUint32 {
		return errTime
	}
	return nil
}

// maxVNI is 24 bits.
const maxVNI = 1<<24 - 1

// segments reads VNIs, 3 bytes each.
func (r *reader) segments() []uint32 {
	var all []uint32
	for _, e := range r.list(MaxSegments, 3) {
		all = append(all, r.vni(e))
	}
	return all
}

// vni reads 3 bytes of an element.
func (r *reader) vni(e []byte) uint32 {
	vni := uint32(e[0])<<16 | uint32(e[1])<<8 | uint32(e[2])
	r.refuseIf(vni == 0, errVNI)
	return vni
}

func vniBytes(vni uint32) []byte { return []byte{byte(vni >> 16), byte(vni >> 8), byte(vni)} }

func appendSegments(b []byte, segments []uint32) ([]byte, error) {
	var all [][]byte
	for _, vni := range segments {
		if vni > maxVNI { // 0 is for the reader to refuse
			return nil, errVNI
		}
		all = append(all, vniBytes(vni))
	}
	return appendList(b, all, MaxSegments)
}

// endpoints reads addresses with ports, 18 bytes each, at least one of them when some are wanted.
func (r *reader) endpoints(least, most int) []netip.AddrPort {
	var all []netip.AddrPort
	for _, e := range r.list(most, 18) {
		ip := netip.AddrFrom16([16]byte(e)).Unmap()
		a := netip.AddrPortFrom(ip, binary.BigEndian.Uint16(e[16:]))
		r.refuse(checkEndpoint(a))
		all = append(all, a)
	}
	r.refuseIf(len(all) < least, errors.New("it has no endpoint"))
	return all
}

func appendEndpoints(b []byte, endpoints []netip.AddrPort, most int) ([]byte, error) {
	var all [][]byte
	for _, a := range endpoints {
		if err := checkEndpoint(a); err != nil {
			return nil, err
		}
		ip := a.Addr().As16()
		all = append(all, binary.BigEndian.AppendUint16(ip[:], a.Port()))
	}
	return appendList(b, all, most)
}

// broadcast is the one unicast-looking IPv4 address that is none.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// checkEndpoint tells whether one node could be at the address, as every other sees it.
func checkEndpoint(a netip.AddrPort) error {
	switch ip := a.Addr().Unmap(); {
	case ip.IsUnspecified(), ip.IsMulticast(), ip == broadcast:
		return fmt.Errorf("endpoint %s is not a unicast address", a)
	case ip.Zone() != "":
		return fmt.Errorf("endpoint %s has a zone, which means nothing elsewhere", a)
	case a.Port() == 0:
		return fmt.Errorf("endpoint %s has no port", a)
	}
	return nil
}
