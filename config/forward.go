package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// A Forward has what comes to a place of this machine go on to one in the segment.
type Forward struct {
	Network Transport
	Listen  HostPort
	To      HostPort // an address in the segment, or the name of a member
}

// A Publish has what comes to a port of the segment's device go on to a place of this machine.
type Publish struct {
	Network Transport
	Port    uint16
	To      HostPort
}

// A Transport is the protocol of a [Forward] or [Publish]: "tcp" or "udp".
type Transport string

func (Transport) values() []string { return []string{"tcp", "udp"} }

// UnmarshalTOML reads "tcp:127.0.0.1:8080=10.42.0.5:80". A port alone before the = is one of the
// loopback.
func (f *Forward) UnmarshalTOML(raw any) error {
	network, from, to, err := scanRule(raw, "tcp:127.0.0.1:8080=10.42.0.5:80")
	if err != nil {
		return err
	}
	*f = Forward{Network: network}
	if f.Listen, err = scanLocal(from); err != nil {
		return err
	}
	return f.To.UnmarshalTOML(to)
}

// String gives the form that the file has.
func (f Forward) String() string { return fmt.Sprintf("%s:%s=%s", f.Network, f.Listen, f.To) }

func (f Forward) tomlValue() any { return f.String() }

// UnmarshalTOML reads "tcp:22=127.0.0.1:22". A port alone behind the = is one of the loopback.
func (p *Publish) UnmarshalTOML(raw any) error {
	network, from, to, err := scanRule(raw, "tcp:22=127.0.0.1:22")
	if err != nil {
		return err
	}
	*p = Publish{Network: network}
	if p.Port, err = parsePort(from); err != nil {
		return err
	}
	p.To, err = scanLocal(to)
	return err
}

// String gives the form that the file has.
func (p Publish) String() string { return fmt.Sprintf("%s:%d=%s", p.Network, p.Port, p.To) }

func (p Publish) tomlValue() any { return p.String() }

// scanRule takes "tcp:FROM=TO" or "udp:FROM=TO" apart.
func scanRule(raw any, example string) (network Transport, from, to string, err error) {
	s, err := scanString(raw)
	if err != nil {
		return "", "", "", err
	}
	rule, to, hasTo := strings.Cut(s, "=")
	word, from, hasFrom := strings.Cut(rule, ":")
	if !hasTo || !hasFrom || from == "" || to == "" {
		return "", "", "", bad(fmt.Sprintf("write it like %q", example), "%q does not say what goes where", s)
	}
	if choices := Transport("").values(); word != choices[0] && word != choices[1] {
		return "", "", "", badChoice(word, choices)
	}
	return Transport(word), from, to, nil
}

// scanLocal reads host:port, or the port alone of what is on the loopback.
func scanLocal(s string) (h HostPort, err error) {
	if _, err := strconv.ParseUint(s, 10, 64); err == nil {
		s = net.JoinHostPort("127.0.0.1", s)
	}
	err = h.UnmarshalTOML(s)
	return h, err
}
