package config

import (
	_ "embed"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
)

//go:embed lab.toml
var labExample string

// LabExample gives a commented file of a lab that is valid as it stands.
func LabExample() string { return labExample }

// A Lab is the file of a simulated network: what there is on an internet in memory.
type Lab struct {
	Lab   LabHead   `toml:"lab"`
	Sites []LabSite `toml:"sites"`
	Nodes []LabNode `toml:"nodes"`
	Links []LabLink `toml:"links"`
}

// LabHead names the lab.
type LabHead struct {
	Name string `toml:"name"` // 1-32 of a-z 0-9 -
	Seed uint64 `toml:"seed"` // of chance and of the nodes' keys
}

// A LabSite is a LAN behind a router.
type LabSite struct {
	Name       string        `toml:"name"`
	NAT        NAT           `toml:"nat"`
	Address    netip.Addr    `toml:"address"` // outside
	Behind     string        `toml:"behind"`  // "": on the internet itself
	Hairpin    bool          `toml:"hairpin"`
	Unanswered time.Duration `toml:"unanswered"` // a flow one way is remembered for so long
	Stream     time.Duration `toml:"stream"`     // and one both ways
	Line       LabLine       `toml:"line"`
}

// A LabLine is what a line does to datagrams, in each direction. The zero value is a perfect wire.
type LabLine struct {
	Delay     time.Duration `toml:"delay"`
	Jitter    time.Duration `toml:"jitter"`
	Loss      Ratio         `toml:"loss"`
	Duplicate Ratio         `toml:"duplicate"`
	Corrupt   Ratio         `toml:"corrupt"`
	Rate      Rate          `toml:"rate"` // 0: no limit
	MTU       int           `toml:"mtu"`  // 0: no limit
	Down      bool          `toml:"down"`
}

// A LabNode is a machine that runs vxmesh.
type LabNode struct {
	Name      string       `toml:"name"`
	Site      string       `toml:"site"` // "": on the internet itself
	Addresses []netip.Addr `toml:"addresses"`
	Relay     bool         `toml:"relay"`
	STUN      bool         `toml:"stun"`
	Devices   []LabDevice  `toml:"devices"`
}

// A LabDevice is a host that a node has in a segment.
type LabDevice struct {
	VNI       uint32         `toml:"vni"`
	MTU       MTU            `toml:"mtu"`
	Addresses []netip.Prefix `toml:"addresses"`
}

// A LabLink is the way between two nodes, beside what their sites' lines do.
type LabLink struct {
	Between []string `toml:"between"` // two nodes
	Line    LabLine  `toml:"line"`
}

// NAT is what a site's router gives out, and whom it lets in.
type NAT string

// The kinds of NAT, in the words of docs/nat.md.
const (
	NATOpen                 NAT = "open"     // a router without a NAT
	NATFirewall             NAT = "firewall" // the same, but only answers come in
	NATFullCone             NAT = "full-cone"
	NATAddressRestricted    NAT = "address-restricted"
	NATPortRestricted       NAT = "port-restricted"
	NATPortRestrictedStrays NAT = "port-restricted-strays"
	NATPortHash             NAT = "port-hash"
	NATSymmetricSequential  NAT = "symmetric-sequential"
	NATSymmetricRandom      NAT = "symmetric-random"
	NATBlocked              NAT = "blocked" // no UDP at all
)

// NATs are all kinds.
func NATs() []string { return NAT("").values() }

func (NAT) values() []string {
	return []string{
		string(NATOpen), string(NATFirewall), string(NATFullCone), string(NATAddressRestricted),
		string(NATPortRestricted), string(NATPortRestrictedStrays), string(NATPortHash),
		string(NATSymmetricSequential), string(NATSymmetricRandom), string(NATBlocked),
	}
}

// routes reports whether a router of the kind leaves inside addresses as they are.
func (n NAT) routes() bool { return n == NATOpen || n == NATFirewall }

// A Ratio is a part of all: 0 to 1.
type Ratio float64

// ParseRatio reads a percentage like "2.5%".
func ParseRatio(s string) (Ratio, error) {
	digits, ok := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(strings.TrimRight(digits, " "), 64)
	if !ok || err != nil {
		return 0, bad(`write it like "2.5%"`, "%q is not a percentage", s)
	}
	if !(f >= 0 && f <= 100) {
		return 0, bad("", "%q is out of range, which is 0%% to 100%%", s)
	}
	return Ratio(f / 100), nil
}

// UnmarshalTOML reads a percentage.
func (r *Ratio) UnmarshalTOML(raw any) error {
	s, err := scanString(raw)
	if err != nil {
		return bad(`write it like "2.5%"`, "a ratio is a string with a percentage")
	}
	*r, err = ParseRatio(s)
	return err
}

// ParseRate reads a rate like "50Mbit/s".
func ParseRate(s string) (r Rate, err error) { return r, r.UnmarshalTOML(s) }

// setDefaults fills what the i-th [[sites]] has when the file is silent.
func (s *LabSite) setDefaults(int) {
	*s = LabSite{NAT: NATPortRestricted, Unanswered: 30 * time.Second, Stream: 2 * time.Minute}
}

// setDefaults fills what a [[nodes.devices]] has when the file is silent.
func (d *LabDevice) setDefaults(int) { *d = LabDevice{} }

// LoadLab reads and checks the file of a lab. When the contents are at fault the error is an [Errors].
func LoadLab(path string) (*Lab, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the lab: %w", err)
	}
	defer f.Close()
	text, err := readAll(f)
	if err != nil {
		return nil, err
	}
	return ParseLab(path, text)
}

// ParseLab checks the text of a lab as [Parse] does that of a config.
func ParseLab(name string, text []byte) (*Lab, error) {
	d := newDocument(name, string(text), reflect.TypeFor[Lab]())
	lab := &Lab{Lab: LabHead{Name: "lab", Seed: 1}}
	if d.fill(lab) {
		d.checkLab(lab)
	}
	if len(d.problems) > 0 {
		d.problems.sort()
		return nil, d.problems
	}
	return lab, nil
}
