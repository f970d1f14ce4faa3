package tundev

import (
	"encoding/hex"
	"strings"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// What tap-windows6 calls things (src/tap-windows.h). The driver's adapters are made with the
// tools that come with it; each is a network connection with a name.

// Requests to the driver.
const (
	tapGetMAC         = 1
	tapGetMTU         = 3
	tapSetMediaStatus = 6
)

// tapControl is CTL_CODE(FILE_DEVICE_UNKNOWN, request, METHOD_BUFFERED, FILE_ANY_ACCESS).
func tapControl(request uint32) uint32 { return 0x22<<16 | request<<2 }

// A tapAdapter is one of the driver's.
type tapAdapter struct {
	key  string // of the registry, in adapterClass
	guid string // with its braces
	name string // of the connection
}

// path is the file that frames are read from and written to.
func (t tapAdapter) path() string { return `\\.\Global\` + t.guid + ".tap" }

// isTapWindows reports whether an adapter with this ComponentId is driven by tap-windows6.
func isTapWindows(component string) bool {
	c := strings.ToLower(component)
	return c == "tap0901" || c == `root\tap0901`
}

// pickTAP gives the adapters to try: the one whose connection has the name, or all, in their
// order.
func pickTAP(all []tapAdapter, name string) []tapAdapter {
	for i, a := range all {
		if strings.EqualFold(a.name, name) {
			return all[i : i+1]
		}
	}
	return all
}

// networkAddress is what the registry calls an adapter's MAC: twelve digits.
func networkAddress(mac ether.MAC) string { return strings.ToUpper(hex.EncodeToString(mac[:])) }
