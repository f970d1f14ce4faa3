package config

// An enum is a string that takes one of a few values.
type enum interface{ values() []string }

// DeviceKind is how this machine takes part in a segment.
type DeviceKind string

// The device kinds.
const (
	KindTAP       DeviceKind = "tap"       // an Ethernet device of the kernel
	KindTUN       DeviceKind = "tun"       // an IP device of the kernel behind an adapter
	KindUserspace DeviceKind = "userspace" // no kernel device, no rights needed
	KindNone      DeviceKind = "none"      // a relay or hub
)

// IsSystems reports whether such a device is an interface of the system: it takes rights to make, and the
// system routes packets into it.
func (k DeviceKind) IsSystems() bool { return k == KindTAP || k == KindTUN }

func (DeviceKind) values() []string { return []string{"tap", "tun", "userspace", "none"} }

// SourcePort is how the outer UDP source port of the plain leg is chosen.
type SourcePort string

// The source port rules.
const (
	SourcePortHash  SourcePort = "hash"  // from a pool, by the inner flow (RFC 7348, 5)
	SourcePortFixed SourcePort = "fixed" // the listening port
)

func (SourcePort) values() []string { return []string{"hash", "fixed"} }

// DF is what the plain leg does with the outer IPv4 "don't fragment" bit.
type DF string

// The rules for the DF bit.
const (
	DFUnset   DF = "unset"
	DFSet     DF = "set"
	DFInherit DF = "inherit" // as in the inner IPv4 header
)

func (DF) values() []string { return []string{"unset", "set", "inherit"} }

// ReservedBits is what the plain leg does with a datagram whose reserved header bits are set.
type ReservedBits string

// The rules for reserved bits.
const (
	ReservedReject ReservedBits = "reject" // as Linux and FreeBSD do
	ReservedIgnore ReservedBits = "ignore" // as RFC 7348, 5 says
)

func (ReservedBits) values() []string { return []string{"reject", "ignore"} }

// Serve is whether this node relays for others: "auto", "true" or "false". The file may also use
// TOML's true and false.
type Serve string

// Admit is whom this node trusts beside [[peers]]: "invited" or "listed", which is nobody.
type Admit string

// The values of [Admit].
const (
	AdmitInvited Admit = "invited"
	AdmitListed  Admit = "listed"
)

func (Admit) values() []string { return []string{string(AdmitInvited), string(AdmitListed)} }

// Cipher is the data cipher: "auto", "aegis-256x2", "aes-256-gcm" or "chacha20-poly1305".
type Cipher string

func (Cipher) values() []string {
	return []string{"auto", "aegis-256x2", "aes-256-gcm", "chacha20-poly1305"}
}

// LogLevel is the least severe level that is logged: "error", "warn", "info" or "debug".
type LogLevel string

func (LogLevel) values() []string { return []string{"error", "warn", "info", "debug"} }

// LogFormat is how log lines look: "auto" (the journal's form under systemd, colour on a terminal,
// else text), "journal", "color", "text" or "json".
type LogFormat string

func (LogFormat) values() []string { return []string{"auto", "journal", "color", "text", "json"} }
