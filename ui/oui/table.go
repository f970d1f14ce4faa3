package oui

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A table maps prefixes to names. Its arrays hold no pointers, so half a megabyte is all it costs,
// and the garbage collector has nothing to follow.
type table struct {
	prefixes []uint32 // ascending
	names    []uint16 // for each prefix, which name
	starts   []uint32 // where each name begins in text, and at last where the text ends
	text     string   // every name once, each with a line feed after it
}

// find gives the name for a prefix, or "".
func (t *table) find(prefix uint32) string {
	i, found := slices.BinarySearch(t.prefixes, prefix)
	if !found {
		return ""
	}
	n := t.names[i]
	return t.text[t.starts[n] : t.starts[n+1]-1]
}

var errTable = errors.New("the table of vendors is damaged")

// decode reads what package pack wrote. Compressed with gzip, it is:
//
//	+---------+-------+--------------------+---------------------+-------------------+
//	| entries | names | prefixes (entries) | which name (entries)| text (names)      |
//	+---------+-------+--------------------+---------------------+-------------------+
//	  uvarint  uvarint  uvarint each: less   uvarint each: 0 for   each ended by \n,
//	                    the one before it    the next name that    in the order of
//	                    (at first, by 0)     is new, or n+1        their first use
func decode(packed []byte) (*table, error) {
	raw, err := unzip(packed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTable, err)
	}
	r := reader{rest: raw}
	entries, names := r.uvarint(1<<24), r.uvarint(1<<16)
	if entries > uint64(len(raw)) || names > uint64(len(raw)) {
		return nil, errTable
	}
	t := &table{prefixes: make([]uint32, entries), names: make([]uint16, entries)}
	r.prefixes(t.prefixes)
	if r.names(t.names) != names || r.bad {
		return nil, errTable
	}
	t.text = string(r.rest)
	t.starts = lines(t.text, int(names))
	if len(t.starts) != int(names)+1 || int(t.starts[names]) != len(t.text) {
		return nil, errTable
	}
	return t, nil
}

// unzip makes one buffer of the right size: a gzip file ends with the length of what is in it.
func unzip(packed []byte) ([]byte, error) {
	const limit = 1 << 22
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	raw := make([]byte, min(limit, binary.LittleEndian.Uint32(packed[len(packed)-4:])))
	if _, err := io.ReadFull(z, raw); err != nil {
		return nil, err
	}
	if n, err := z.Read(make([]byte, 1)); n != 0 || err != io.EOF { // here the checksum is compared
		return nil, errors.Join(errors.New("it does not end where it says"), err)
	}
	return raw, nil
}

// lines gives the offsets at which the lines of s begin, and its end.
func lines(s string, n int) []uint32 {
	starts := make([]uint32, 1, n+1)
	for i := range len(s) {
		if s[i] == '\n' {
			starts = append(starts, uint32(i+1))
		}
	}
	return starts
}

// A reader takes numbers off the front; after one that is missing or too large, all are 0.
type reader struct {
	rest []byte
	bad  bool
}

// uvarint reads a number of at most limit.
func (r *reader) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if r.bad = r.bad || n <= 0 || v > limit; r.bad {
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) prefixes(to []uint32) {
	var last uint64
	for i := range to {
		last += r.uvarint(1<<24 - 1 - last)
		to[i] = uint32(last)
	}
}

// names gives how many different names there are.
func (r *reader) names(to []uint16) uint64 {
	var known uint64
	for i := range to {
		n := r.uvarint(known)
		if n == 0 {
			known = min(known+1, 1<<16)
			n = known
		}
		to[i] = uint16(n - 1)
	}
	return known
}
