package chunk

import "math/bits"

// A set is a set of chunks of one message, by index.
type set [2]uint64

func (s *set) add(i int)      { s[i>>6&1] |= 1 << (i & 63) }
func (s *set) has(i int) bool { return s[i>>6&1]>>(i&63)&1 != 0 }
func (s *set) empty() bool    { return s[0]|s[1] == 0 }

// run is the first run of chunks at or after from: from the first to before end. They are equal
// when there is none.
func (s *set) run(from int) (first, end int) {
	first = s.next(from, 0)
	return first, s.next(first, ^uint64(0))
}

// next is the first chunk at or after i that is in the set, or with invert all ones, that is not in
// it; the number of chunks a set can hold when there is none.
func (s *set) next(i int, invert uint64) int {
	for ; i < 64*len(s); i = (i | 63) + 1 {
		if w := (s[i>>6] ^ invert) >> (i & 63); w != 0 {
			return i + bits.TrailingZeros64(w)
		}
	}
	return 64 * len(s)
}
