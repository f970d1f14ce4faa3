package control

import "encoding/json"

// A List is a slice that is [] in JSON when it is nil, so that no reader ever meets null. A plain
// []T can be assigned to it.
type List[T any] []T

// MarshalJSON implements [json.Marshaler].
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// Counts holds a number by name, mostly drops by reason; {} in JSON when it is nil. A plain
// map[string]uint64 can be assigned to it.
type Counts map[string]uint64

// MarshalJSON implements [json.Marshaler].
func (c Counts) MarshalJSON() ([]byte, error) {
	if c == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]uint64(c))
}

// Total is the sum of all counts.
func (c Counts) Total() (sum uint64) {
	for _, n := range c {
		sum += n
	}
	return sum
}
