package config

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MTU is the largest IP packet that a device takes whole, in bytes; 0 means that the program
// works it out.
type MTU int

// UnmarshalTOML reads "auto" or 576-9000.
func (m *MTU) UnmarshalTOML(raw any) error {
	if raw == "auto" {
		*m = 0
		return nil
	}
	n, ok := raw.(int64)
	if !ok {
		return bad("", `expected "auto" or a number from 576 to 9000, found %s`, kindOf(raw))
	}
	if n < 576 || n > 9000 {
		return bad("", `%d is out of range, which is 576 to 9000 or "auto"`, n)
	}
	*m = MTU(n)
	return nil
}

func (m MTU) tomlValue() any {
	if m == 0 {
		return "auto"
	}
	return int64(m)
}

// A MAC is a unicast Ethernet address; the zero MAC means "auto".
type MAC [6]byte

// UnmarshalTOML reads "auto" or six octets like "52:54:00:1a:22:01".
func (m *MAC) UnmarshalTOML(raw any) error {
	s, err := scanString(raw)
	if err != nil {
		return err
	}
	*m = MAC{}
	if s == "auto" {
		return nil
	}
	octets := s
	if !strings.Contains(s, ":") {
		octets = strings.ReplaceAll(s, "-", ":")
	}
	b, err := hex.DecodeString(strings.ReplaceAll(octets, ":", ""))
	if err == nil && len(b) == len(m) {
		*m = MAC(b)
	}
	if !strings.EqualFold(m.String(), octets) {
		return bad(`write it like "52:54:00:1a:22:01"`, "%q is not a MAC address", s)
	}
	switch {
	case *m == MAC{}:
		return bad("", "the zero MAC address belongs to nobody")
	case m[0]&1 != 0:
		return bad("", "%q is a group address; a unicast one has an even first octet", s)
	}
	return nil
}

// String gives the lower-case colon form, also of the zero MAC.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

func (m MAC) tomlValue() any {
	if m == (MAC{}) {
		return "auto"
	}
	return m.String()
}

// TTL is the outer time to live or hop limit: 1-255, or that of the inner IP header.
type TTL struct {
	Inherit bool
	Value   uint8 // 0 when Inherit is set
}

// UnmarshalTOML reads 1-255 or "inherit".
func (t *TTL) UnmarshalTOML(raw any) (err error) {
	t.Inherit, t.Value, err = scanInherit(raw, 1)
	return err
}

func (t TTL) tomlValue() any { return inheritValue(t.Inherit, t.Value) }

// TOS is the outer traffic class without its ECN bits' meaning: 0-255, or that of the inner IP
// header.
type TOS struct {
	Inherit bool
	Value   uint8 // 0 when Inherit is set
}

// UnmarshalTOML reads 0-255 or "inherit".
func (t *TOS) UnmarshalTOML(raw any) (err error) {
	t.Inherit, t.Value, err = scanInherit(raw, 0)
	return err
}

func (t TOS) tomlValue() any { return inheritValue(t.Inherit, t.Value) }

func scanInherit(raw any, least int64) (inherit bool, value uint8, err error) {
	if raw == "inherit" {
		return true, 0, nil
	}
	n, ok := raw.(int64)
	if !ok {
		return false, 0, bad("", `expected "inherit" or a number from %d to 255`, least)
	}
	if n < least || n > 255 {
		return false, 0, bad("", `%d is out of range, which is %d to 255 or "inherit"`, n, least)
	}
	return false, uint8(n), nil
}

func inheritValue(inherit bool, value uint8) any {
	if inherit {
		return "inherit"
	}
	return int64(value)
}

// Members are the nodes of the network that share a segment: all, those named, or (the zero
// value) none.
type Members struct {
	All   bool
	Names []string // nil when All is set
}

// Has reports whether the node of this name is one of them.
func (m Members) Has(name string) bool { return m.All || slices.Contains(m.Names, name) }

// UnmarshalTOML reads "all", "none" or a list of names.
func (m *Members) UnmarshalTOML(raw any) error {
	*m = Members{}
	switch t := raw.(type) {
	case string:
		m.All = t == "all"
		if !m.All && t != "none" {
			return bad(fmt.Sprintf("write [%q] for one peer", t), `%q is not "all" or "none"`, t)
		}
		return nil
	case []any:
		for _, e := range t {
			name, err := scanString(e)
			if err != nil || !isNodeName(name) {
				return bad("", "%v is not the name of a node", e)
			}
			m.Names = append(m.Names, name)
		}
		return nil
	}
	return bad("", `expected "all", "none" or a list of names, found %s`, kindOf(raw))
}

func (m Members) tomlValue() any {
	switch {
	case m.All:
		return "all"
	case len(m.Names) == 0:
		return "none"
	}
	names := make([]any, len(m.Names))
	for i, n := range m.Names {
		names[i] = n
	}
	return names
}

// UnmarshalTOML reads true, false or "auto".
func (s *Serve) UnmarshalTOML(raw any) error {
	switch raw {
	case true, "true":
		*s = "true"
	case false, "false":
		*s = "false"
	case "auto":
		*s = "auto"
	default:
		return bad("", `expected true, false or "auto"`)
	}
	return nil
}

func (s Serve) tomlValue() any {
	if s == "auto" {
		return "auto"
	}
	return s == "true"
}

// A Key is a node's public key.
type Key [32]byte

// UnmarshalTOML reads 32 bytes in base64.
func (k *Key) UnmarshalTOML(raw any) error {
	s, err := scanString(raw)
	if err != nil {
		return err
	}
	const hint = "`vxmesh key show` on that node prints it"
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return bad(hint, "this is not a key in base64")
	}
	if len(b) != len(k) {
		return bad(hint, "a key has %d bytes, this has %d", len(k), len(b))
	}
	*k = Key(b)
	return nil
}

// String gives the base64 form.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

func (k Key) tomlValue() any { return k.String() }

// A Rate is bits per second; 0 means no limit.
type Rate uint64

// rateUnits are the units of a [Rate], the largest first.
var rateUnits = []struct {
	suffix string
	bits   uint64
}{{"Gbit/s", 1e9}, {"Mbit/s", 1e6}, {"kbit/s", 1e3}, {"bit/s", 1}}

// UnmarshalTOML reads a whole number with a unit, like "50Mbit/s".
func (r *Rate) UnmarshalTOML(raw any) error {
	s, err := scanString(raw)
	if err != nil {
		return err
	}
	const hint = `write it like "50Mbit/s"; the units are Gbit/s, Mbit/s, kbit/s and bit/s`
	for _, u := range rateUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimRight(digits, " "), 10, 64)
		if err != nil || n > 1e15/u.bits {
			break
		}
		*r = Rate(n * u.bits)
		return nil
	}
	return bad(hint, "%q is not a rate", s)
}

// String gives the rate in the largest unit that loses nothing.
func (r Rate) String() string {
	for _, u := range rateUnits {
		if uint64(r)%u.bits == 0 && (r != 0 || u.bits == 1) {
			return fmt.Sprintf("%d%s", uint64(r)/u.bits, u.suffix)
		}
	}
	return ""
}

func (r Rate) tomlValue() any { return r.String() }
