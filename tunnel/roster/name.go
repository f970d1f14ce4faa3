package roster

import (
	"errors"
	"strings"
)

// MaxName is how long a name is at most, in bytes.
const MaxName = 32

// ErrName says what a name is not.
var ErrName = errors.New("not a name: want 1 to 32 of a-z, 0-9 and -, and no - at either end")

// ValidName tells whether a node, or a network, may have the name; the error is [ErrName].
func ValidName(s string) error {
	if s == "" || len(s) > MaxName || s[0] == '-' || s[len(s)-1] == '-' || strings.ContainsFunc(s, notInName) {
		return ErrName
	}
	return nil
}

func notInName(c rune) bool {
	return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-'
}

// appendText appends a text behind its length in one byte. One that is longer than 255 bytes is cut:
// no field may be so long, so the reader refuses it.
func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), 255)]
	return append(append(b, byte(len(s))), s...)
}
