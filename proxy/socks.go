package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
)

// SOCKS version 5 (RFC 1928), as far as it is spoken here: no authentication, CONNECT and UDP
// ASSOCIATE, datagrams in one piece. None of the libraries there are bounds UDP conversations or ends
// them with their connection, and this is all that is needed of one.

const (
	socksVersion = 5

	methodNone       = 0x00 // no authentication required
	methodUnaccepted = 0xff

	commandConnect   = 1
	commandAssociate = 3

	addressIPv4 = 1
	addressName = 3
	addressIPv6 = 4
)

// A replyCode is what the server says to a request (section 6).
type replyCode byte

const (
	replySucceeded          replyCode = 0
	replyFailed             replyCode = 1
	replyNetworkUnreachable replyCode = 3
	replyHostUnreachable    replyCode = 4
	replyRefused            replyCode = 5
	replyCommand            replyCode = 7 // not supported
	replyAddressType        replyCode = 8 // not supported
)

var (
	errVersion     = errors.New("not SOCKS version 5")
	errMethod      = errors.New("the client offers no way without authentication")
	errAddressType = errors.New("unknown type of address")
	errName        = errors.New("a name is empty")
	errDatagram    = errors.New("datagram has no whole header")
	errFragment    = errors.New("datagram is a fragment")
)

// readGreeting takes what a client begins with, and wants it to go without authentication (section 3).
//
//	version 1   count 1   methods ..
func readGreeting(r io.Reader) error {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	if head[0] != socksVersion {
		return errVersion
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(r, methods); err != nil {
		return err
	}
	if bytes.IndexByte(methods, methodNone) < 0 {
		return errMethod
	}
	return nil
}

// readRequest takes what a client wants: a command, and host:port (section 4). It reads no further.
//
//	version 1   command 1   reserved 1   address ..
func readRequest(r io.Reader) (command byte, to string, err error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, "", err
	}
	if head[0] != socksVersion {
		return 0, "", errVersion
	}
	to, err = readAddress(r)
	return head[1], to, err
}

// readAddress takes an address, as host:port (section 5).
//
//	type 1   IPv4 4 | length 1, name .. | IPv6 16   port 2
func readAddress(r io.Reader) (string, error) {
	var kind [1]byte
	if _, err := io.ReadFull(r, kind[:]); err != nil {
		return "", err
	}
	size := 0
	switch kind[0] {
	case addressIPv4:
		size = 4
	case addressIPv6:
		size = 16
	case addressName:
		var length [1]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return "", err
		}
		if size = int(length[0]); size == 0 {
			return "", errName
		}
	default:
		return "", fmt.Errorf("%w %d", errAddressType, kind[0])
	}
	b := make([]byte, size+2)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", err
	}
	host := string(b[:size])
	if kind[0] != addressName {
		a, _ := netip.AddrFromSlice(b[:size])
		host = a.String()
	}
	port := binary.BigEndian.Uint16(b[size:])
	return net.JoinHostPort(host, strconv.Itoa(int(port))), nil
}

// appendReply answers a request (section 6); at may be the zero value.
//
//	version 1   code 1   reserved 1   address ..
func appendReply(b []byte, code replyCode, at netip.AddrPort) []byte {
	return appendAddress(append(b, socksVersion, byte(code), 0), at)
}

// appendAddress writes an address as [readAddress] takes it.
func appendAddress(b []byte, at netip.AddrPort) []byte {
	a := at.Addr().Unmap()
	switch {
	case a.Is6():
		b = append(b, addressIPv6)
		b = append(b, a.AsSlice()...)
	case a.Is4():
		b = append(b, addressIPv4)
		b = append(b, a.AsSlice()...)
	default:
		b = append(b, addressIPv4, 0, 0, 0, 0)
	}
	return binary.BigEndian.AppendUint16(b, at.Port())
}

// parseDatagram takes a client's datagram apart (section 7); payload is part of b.
//
//	reserved 2   fragment 1   address ..   payload ..
func parseDatagram(b []byte) (to string, payload []byte, err error) {
	if len(b) < 3 {
		return "", nil, errDatagram
	}
	if b[2] != 0 {
		return "", nil, errFragment // to be dropped by who does not put them together
	}
	r := bytes.NewReader(b[3:])
	to, err = readAddress(r)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errDatagram
	}
	return to, b[len(b)-r.Len():], err
}

// appendDatagram writes a datagram for a client: what came from an address of the segment.
func appendDatagram(b []byte, from netip.AddrPort, payload []byte) []byte {
	return append(appendAddress(append(b, 0, 0, 0), from), payload...)
}
