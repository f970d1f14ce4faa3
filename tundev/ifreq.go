package tundev

import (
	"encoding/binary"
	"unsafe"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// What the kernels of FreeBSD, OpenBSD and macOS are asked for interfaces with, on machines of 64
// bits and little-endian, which are all that this program is built for there. Sizes are part of an
// ioctl's number.

const (
	ifNameLen = 16
	afLink    = 18 // AF_LINK

	ioctlOut = 0x40000000 // IOC_OUT: the kernel writes
	ioctlIn  = 0x80000000 // IOC_IN: the kernel reads
)

// ioctlNumber is that of sys/ioccom.h: which way, the size of what is passed, a letter and a
// number.
func ioctlNumber(way, size uint, group byte, number uint) uint {
	return way | (size&0x1fff)<<16 | uint(group)<<8 | number
}

// An ifName is the name of an interface with zeros behind it.
type ifName [ifNameLen]byte

func nameOf(s string) (n ifName) {
	copy(n[:ifNameLen-1], s)
	return n
}

// An ifRequest is struct ifreq (net/if.h): a name, and what about it.
type ifRequest struct {
	name  ifName
	value [16]byte
}

func (r *ifRequest) setInt(v int) { binary.LittleEndian.PutUint32(r.value[:], uint32(v)) }

// flags are the 16 bits of ifr_flags; what FreeBSD has beside them stays as it is.
func (r *ifRequest) flags() uint16     { return binary.LittleEndian.Uint16(r.value[:]) }
func (r *ifRequest) setFlags(f uint16) { binary.LittleEndian.PutUint16(r.value[:], f) }

// setMAC puts a struct sockaddr there whose length is the address's.
func (r *ifRequest) setMAC(mac ether.MAC) {
	r.value[0], r.value[1] = byte(len(mac)), afLink
	copy(r.value[2:], mac[:])
}

// An ifPointer is struct ifreq with ifr_data.
type ifPointer struct {
	name ifName
	data unsafe.Pointer
	_    [8]byte
}

// An ifBuffer is struct ifreq with FreeBSD's ifr_buffer.
type ifBuffer struct {
	name ifName
	len  uint64
	data unsafe.Pointer
}

// A driverRequest is struct ifdrv (net/if.h) of FreeBSD and macOS: something that only the
// interface's driver understands.
type driverRequest struct {
	name    ifName
	command uint64
	len     uint64
	data    unsafe.Pointer
}

// Commands of if_bridge (net/if_bridgevar.h), with a bridgePort.
const (
	bridgeAdd      = 0 // BRDGADD
	bridgeDelete   = 1 // BRDGDEL
	bridgeGetFlags = 2 // BRDGGIFFLGS: an error for what is no port
)

// A bridgePort is struct ifbreq of FreeBSD and macOS. All but the name is left to the kernel.
type bridgePort struct {
	port ifName
	_    [64]byte
}

// A vebPort is struct ifbreq (net/if_bridge.h) of OpenBSD's bridge and veb. All but the names is
// left to the kernel.
type vebPort struct {
	bridge ifName
	port   ifName
	_      [64]byte
}

// Commands of macOS's feth (net/if_fake_var.h), with a fethPeer.
const (
	fethSetPeer = 1 // IF_FAKE_S_CMD_SET_PEER
	fethGetPeer = 1 // IF_FAKE_G_CMD_GET_PEER
)

// A fethPeer is struct if_fake_request. Its reserved words are zero, or the kernel refuses it.
type fethPeer struct {
	_    [4]uint64
	peer ifName
	_    [112]byte
}
