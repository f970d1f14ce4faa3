//go:build darwin || windows || freebsd || openbsd

package tundev

import (
	"errors"
	"os"
	"sync/atomic"

	wgtun "golang.zx2c4.com/wireguard/tun"
)

// A wireguard is the card of systems' layer-3 tunnels: macOS's utun, Windows's Wintun, and the
// BSDs' tun, by way of WireGuard's package.
type wireguard struct {
	dev   wgtun.Device
	bufs  [][]byte // what Read fills
	sizes []int
	one   [1][]byte // what Write takes
	shut  atomic.Bool
}

func openWireguard(o Options) (card, error) {
	dev, err := wgtun.CreateTUN(tunName(o.Name), o.MTU)
	if err != nil {
		return nil, err
	}
	w := &wireguard{dev: dev, bufs: make([][]byte, dev.BatchSize()), sizes: make([]int, dev.BatchSize())}
	for i := range w.bufs {
		w.bufs[i] = make([]byte, headroom+BufLen)
	}
	go drain(dev.Events())
	return w, nil
}

// drain takes the events of a device, which nobody needs: what they tell, looking tells, too.
func drain(events <-chan wgtun.Event) {
	for range events {
	}
}

// name must not ask a closed device, which may never answer.
func (w *wireguard) name() string {
	if w.shut.Load() {
		return ""
	}
	name, err := w.dev.Name()
	if err != nil {
		return ""
	}
	return name
}

func (w *wireguard) read(take func(frame []byte)) error {
	n, err := w.dev.Read(w.bufs, w.sizes, headroom)
	for i := range n {
		take(w.bufs[i][headroom : headroom+w.sizes[i]])
	}
	return err
}

func (w *wireguard) write(buf []byte) error {
	w.one[0] = buf
	_, err := w.dev.Write(w.one[:], headroom)
	if errors.Is(err, os.ErrClosed) {
		return ErrDown
	}
	return err
}

func (w *wireguard) close() error {
	w.shut.Store(true)
	return w.dev.Close()
}
