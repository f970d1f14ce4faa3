// Package pack makes the table of vendors that package oui embeds. Only the generator and tests
// import it, so none of it is in the program.
package pack

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"maps"
	"slices"
)

// Table packs the register, names by prefix, in the form that package oui decodes. Entries without
// a name once it is shortened and entries that are no globally administered address of one station
// are left out. The same register gives the same bytes.
func Table(register map[[3]byte]string) []byte {
	var deltas, uses []byte
	var text bytes.Buffer
	var entries, last uint64
	known := map[string]uint64{}
	for _, p := range slices.SortedFunc(maps.Keys(register), compare) {
		name := Shorten(register[p])
		if p[0]&3 != 0 || name == "" {
			continue
		}
		v := uint64(p[0])<<16 | uint64(p[1])<<8 | uint64(p[2])
		deltas = binary.AppendUvarint(deltas, v-last)
		uses = binary.AppendUvarint(uses, known[name])
		if known[name] == 0 {
			known[name] = uint64(len(known) + 1)
			text.WriteString(name + "\n")
		}
		last = v
		entries++
	}
	head := binary.AppendUvarint(binary.AppendUvarint(nil, entries), uint64(len(known)))
	return compress(head, deltas, uses, text.Bytes())
}

func compare(a, b [3]byte) int { return bytes.Compare(a[:], b[:]) }

// compress cannot fail: the level is valid, and a buffer takes everything.
func compress(parts ...[]byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	for _, p := range parts {
		_, _ = z.Write(p)
	}
	_ = z.Close()
	return out.Bytes()
}
