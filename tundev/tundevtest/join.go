package tundevtest

import "github.com/vxmesh/vxmesh/tundev"

// Join is a wire between two devices: each is written what is read from the other, in two parts, until
// that one is closed. What one does not take is lost.
func Join(a, b tundev.Device) {
	go carry(a, b)
	go carry(b, a)
}

func carry(from, to tundev.Device) {
	const cut = 13 // inside of the Ethernet header, so that nobody relies on having it whole
	buf := make([]byte, tundev.BufLen)
	for {
		n, h, err := from.ReadFrame(buf, true)
		if err != nil {
			return
		}
		_ = to.WriteFrame(h, [][]byte{buf[:cut], buf[cut:n]})
	}
}
