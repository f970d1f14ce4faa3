package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrMalformed is wrapped by the error of a file that does not hold an identity.
var ErrMalformed = errors.New("not the identity of a node")

// heading is the first line of the file.
const heading = "# The identity of a vxmesh node. Whoever has it can act as the node: keep it secret.\n"

// The keys of the file.
const (
	keySigning = "ed25519_seed"
	keySession = "x25519_key"
)

// maxText is more than any file of ours has, in bytes.
const maxText = 4096

// text is the file's contents.
func (i Identity) text() []byte {
	var b bytes.Buffer
	b.WriteString(heading)
	for _, line := range []struct {
		name  string
		value [KeySize]byte
	}{{keySigning, i.signing}, {keySession, i.session}} {
		fmt.Fprintf(&b, "%s = %s\n", line.name, base64.StdEncoding.EncodeToString(line.value[:]))
	}
	return b.Bytes()
}

// A lineError is a malformed line.
type lineError struct {
	line int // from 1; 0 when it is the file as a whole
	what string
}

func (e *lineError) Error() string {
	if e.line == 0 {
		return e.what
	}
	return fmt.Sprintf("line %d: %s", e.line, e.what)
}

func (e *lineError) Unwrap() error { return ErrMalformed }

// parse reads what text writes. Its errors never quote a value: it may be most of a secret.
func parse(text []byte) (Identity, error) {
	found := make(map[string][KeySize]byte)
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, err := parseLine(line)
		if _, twice := found[name]; twice {
			err = fmt.Errorf("%s is there twice", name)
		}
		if err != nil {
			return Identity{}, &lineError{number, err.Error()}
		}
		found[name] = value
	}
	for _, name := range []string{keySigning, keySession} {
		if _, ok := found[name]; !ok {
			return Identity{}, &lineError{what: name + " is missing"}
		}
	}
	return fromKeys(found[keySigning], found[keySession])
}

func parseLine(line string) (name string, value [KeySize]byte, err error) {
	name, text, ok := strings.Cut(line, "=")
	name = strings.TrimSpace(name)
	switch {
	case !ok:
		return "", value, errors.New("this is no NAME = VALUE")
	case name != keySigning && name != keySession:
		return "", value, fmt.Errorf("neither %s nor %s", keySigning, keySession)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil {
		return name, value, fmt.Errorf("%s is not in base64", name)
	}
	if len(b) != KeySize {
		return name, value, fmt.Errorf("%s has %d bytes, not %d", name, len(b), KeySize)
	}
	return name, [KeySize]byte(b), nil
}
