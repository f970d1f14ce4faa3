package explain

import (
	"encoding/binary"
	"fmt"

	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A Kind says what a datagram is for.
type Kind uint8

// The kinds. The last ones are guesses from the lengths of what is sealed.
const (
	Other Kind = iota
	Plain
	Handshake
	Cookie
	STUN
	Opener
	Direct  // a frame for the receiver
	Relayed // a frame for somebody else, to be passed on, or one that was
	Carried // a handshake that goes through a relay
	Ping    // of a path, or its answer
	Probe   // of what a path carries
	Call    // to be tried at addresses, by way of a relay; or the answer
	Control // what else nodes tell each other
)

// A Datagram is what can be said of one.
type Datagram struct {
	Kind  Kind
	What  string // it is, in a few words
	Frame int    // the length of the frame that is in it, in bytes; 0 for none
}

// relayed is how much longer a datagram is that is passed on.
const relayed = wire.RelayOverhead

// Read says what a datagram of the mesh is. Whether a frame of a length was sent not long ago tells
// those that have one in them from the rest.
func Read(b []byte, sent func(length int) bool) Datagram {
	none := func(k Kind, what string) Datagram { return Datagram{k, what, 0} }
	switch wire.KindOf(b) {
	case wire.Plain:
		return none(Plain, "plain VXLAN")
	case wire.Handshake1:
		return none(Handshake, "handshake, message 1 of 2")
	case wire.Handshake2:
		return none(Handshake, "handshake, message 2 of 2")
	case wire.Cookie:
		return none(Cookie, "cookie: prove that you are where you say")
	case wire.STUN:
		if b[0] == 0 {
			return none(STUN, "STUN question: from where do you see me?")
		}
		return none(STUN, "STUN answer: from there")
	case wire.Opener:
		return none(Opener, "opener: only to make our own NAT expect answers")
	case wire.Data:
		return sealed(wire.ParseHeader(b), len(b), sent)
	}
	return none(Other, "nothing that a node says")
}

// sealed guesses from its length what is in a datagram.
func sealed(h wire.Header, n int, sent func(length int) bool) Datagram {
	if h.VNI != 0 {
		return Datagram{Direct, "sealed", n - wire.Overhead}
	}
	if inner := n - relayed - wire.Overhead; sent(inner) {
		return Datagram{Relayed, "sealed twice", inner}
	}
	switch n - relayed {
	case session.Message1Len, session.Message2Len:
		return Datagram{Carried, "handshake by way of the relay", 0}
	case wire.Overhead + wire.PingLen, wire.Overhead + wire.PongLen:
		return Datagram{Ping, "ping of the path through the relay, or its answer", 0}
	}
	switch n - wire.Overhead {
	case wire.PingLen:
		return Datagram{Ping, "ping of this path: its number proves who answers", 0}
	case wire.PongLen:
		return Datagram{Ping, "pong: the number, and from where the ping came", 0}
	case wire.UnreachedLen:
		return Datagram{Control, "the relay does not reach whom that was for, yet", 0}
	}
	if n >= probeLen {
		return Datagram{Probe, "probe of how large a packet this path carries", 0}
	}
	return Datagram{Call, "call: here I may be found", 0}
}

// probeLen is shorter than every probe and longer than every other message between nodes.
const probeLen = 1100

// Header spells out the VXLAN header of one of our datagrams, "" for what has none.
func Header(b []byte) string {
	if len(b) < wire.HeaderLen || wire.KindOf(b) == wire.STUN || wire.KindOf(b) == wire.Junk {
		return ""
	}
	vni := binary.BigEndian.Uint32(b[3:]) & 0xffffff
	text := fmt.Sprintf("VXLAN %x %x %x %x: VNI %d", b[:1], b[1:4], b[4:7], b[7:8], vni)
	if wire.KindOf(b) == wire.Data {
		h := wire.ParseHeader(b)
		return text + fmt.Sprintf(", session %08x, its datagram %d; all else is sealed", h.Index, h.Counter)
	}
	return text + fmt.Sprintf(", flag 08 says it is valid; the bits RFC 7348 reserves say %d", wire.Index(b))
}

// Lesson is what is worth knowing about a kind of datagram, in lines; none where its name says all.
func Lesson(k Kind) []string { return lessons[k] }

var lessons = map[Kind][]string{
	Plain: {
		"As switches, hypervisors and kernels speak it: 8 bytes of header, and the frame as it is, for",
		"anybody on the way to read and to forge. The source port is a hash of the frame's flow.",
	},
	Handshake: {
		"Two nodes that know each other's public keys agree on session keys, and each proves that it",
		"has its private one (Noise IK). Nobody on the way learns who they are.",
	},
	Carried: {
		"The two cannot reach each other yet. The relay passes their handshake on, and the session",
		"that comes of it is theirs alone: the relay never has its keys.",
	},
	STUN: {
		"A machine behind a NAT does not know its outside address. Somebody outside says what it sees.",
	},
	Opener: {
		"A NAT lets in answers only. This datagram need not arrive: its TTL ends on the way. It makes",
		"our own NAT note the flow, so that the other's next datagram looks like an answer.",
	},
	Relayed: {
		"The frame is sealed for its receiver, and the whole once more for the relay, which opens the",
		fmt.Sprintf("outer seal, sees for whom it is, and passes it on: %d bytes more, and a detour.", relayed),
	},
	Direct: {
		fmt.Sprintf("From here on frames go straight: %d bytes of header, the frame, and %d bytes that show if a", wire.HeaderLen, wire.TagLen),
		"single bit was changed. The segment's VNI is in the header, so tools for VXLAN recognise it.",
	},
	Ping: {
		"A path counts only when a number sent by it came back by it; so nobody can divert a session",
		"by sending from a false address.",
	},
	Probe: {
		"Padded pings find out how large a packet a path carries, without waiting for ICMP that never",
		"comes (RFC 8899). One that is lost on purpose costs nothing.",
	},
	Call: {
		"Through the relay the two tell each other where they may be found: their own addresses, and",
		"those that others saw. Then both send at the same time, which is called punching.",
	},
}
