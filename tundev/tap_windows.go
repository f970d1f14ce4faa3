package tundev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// adapterClass is where the registry has all network adapters, and connections their names.
const (
	adapterClass = `SYSTEM\CurrentControlSet\Control\Class\{4D36E972-E325-11CE-BFC1-08002BE10318}`
	connections  = `SYSTEM\CurrentControlSet\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}`
)

// restartWithin is how long an adapter may take to be there again.
const restartWithin = 10 * time.Second

// A tapHandle is the card of an adapter of tap-windows6: each read and write is a frame.
type tapHandle struct {
	adapter tapAdapter
	buf     []byte
	in, out windows.Overlapped // a read and a write under way, with the events of their ends

	once   sync.Once      // close
	stop   windows.Handle // an event: close was called
	open   sync.RWMutex   // held for reading by who uses the handle
	handle windows.Handle
	closed bool
}

// openTAP borrows the adapter of that name, or the first that nobody has open. There have to be
// some: making them needs the driver's own tools.
func openTAP(o Options) (card, bool, error) {
	if o.Bridge != "" {
		return nil, false, errNoBridges
	}
	all, err := tapAdapters()
	if err != nil {
		return nil, false, err
	}
	if len(all) == 0 {
		return nil, false, causef(ErrNoTun,
			`there is no adapter of tap-windows6: install that driver, or use kind = "tun"`)
	}
	var t *tapHandle
	for _, a := range pickTAP(all, o.Name) {
		if t, err = borrow(a, o); !errors.Is(err, ErrInUse) {
			break
		}
	}
	if err != nil {
		return nil, false, err
	}
	return t, true, nil
}

// tapAdapters gives the driver's adapters.
func tapAdapters() (all []tapAdapter, err error) {
	const access = registry.ENUMERATE_SUB_KEYS | registry.QUERY_VALUE
	class, err := registry.OpenKey(registry.LOCAL_MACHINE, adapterClass, access)
	if err != nil {
		return nil, fmt.Errorf("open the registry's list of adapters: %w", err)
	}
	defer func() { _ = class.Close() }()
	keys, err := class.ReadSubKeyNames(-1)
	if err != nil {
		return nil, fmt.Errorf("read the registry's list of adapters: %w", err)
	}
	for _, key := range keys {
		if !isTapWindows(registryValue(adapterClass+`\`+key, "ComponentId")) {
			continue
		}
		a := tapAdapter{key: key, guid: registryValue(adapterClass+`\`+key, "NetCfgInstanceId")}
		if a.name = a.connection(); a.name != "" {
			all = append(all, a)
		}
	}
	return all, nil
}

// connection is the adapter's present name.
func (t tapAdapter) connection() string {
	return registryValue(connections+`\`+t.guid+`\Connection`, "Name")
}

// registryValue gives a string of the registry, "" when it is not there or may not be read, as
// some keys beside those of adapters may not.
func registryValue(path, name string) string {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.QUERY_VALUE)
	if err != nil {
		return ""
	}
	defer func() { _ = key.Close() }()
	value, _, err := key.GetStringValue(name)
	if err != nil {
		return ""
	}
	return value
}

// borrow opens an adapter with the MAC that it is to have, and connects it.
func borrow(a tapAdapter, o Options) (*tapHandle, error) {
	t, err := openTapHandle(a)
	if err != nil {
		return nil, err
	}
	mac, err := t.mac()
	if err == nil && mac != o.MAC {
		_ = t.close()
		if err = a.restartWith(o.MAC); err != nil {
			return nil, err
		}
		if t, err = openAgain(a, o.MAC); err != nil {
			return nil, err
		}
	}
	if err == nil {
		err = t.checkMTU(o.MTU)
	}
	if err == nil {
		_, err = t.control(tapSetMediaStatus, []byte{1, 0, 0, 0})
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// openTapHandle opens an adapter that nobody has open.
func openTapHandle(a tapAdapter) (*tapHandle, error) {
	path, err := windows.UTF16PtrFromString(a.path())
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(path, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil,
		windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_SYSTEM|windows.FILE_FLAG_OVERLAPPED, 0)
	switch {
	case errors.Is(err, windows.ERROR_GEN_FAILURE), errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		return nil, causef(ErrInUse, "another process has the adapter %q", a.name)
	case errors.Is(err, windows.ERROR_FILE_NOT_FOUND):
		return nil, causef(ErrInUse,
			"the adapter %q is disabled: enable it in the network connections", a.name)
	case err != nil:
		return nil, fmt.Errorf("open the adapter %q: %w", a.name, err)
	}
	t := &tapHandle{adapter: a, handle: h, buf: make([]byte, BufLen)}
	for _, event := range []*windows.Handle{&t.stop, &t.in.HEvent, &t.out.HEvent} {
		if *event, err = windows.CreateEvent(nil, 1, 0, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("create an event: %w", err), t.close())
		}
	}
	return t, nil
}

// restartWith has the adapter start again with another MAC, which its driver reads then.
func (t tapAdapter) restartWith(mac ether.MAC) error {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, adapterClass+`\`+t.key, registry.SET_VALUE)
	if err == nil {
		err = key.SetStringValue("NetworkAddress", networkAddress(mac))
		_ = key.Close()
	}
	if err != nil {
		return fmt.Errorf("set the mac of the adapter %q: %w", t.name, err)
	}
	for _, state := range []string{"disabled", "enabled"} {
		err := command("netsh", "interface", "set", "interface", "name="+t.name, "admin="+state)
		if err != nil {
			return err
		}
	}
	return nil
}

// openAgain opens an adapter that starts, and sees that it has the MAC.
func openAgain(a tapAdapter, want ether.MAC) (*tapHandle, error) {
	var err error
	for until := time.Now().Add(restartWithin); time.Now().Before(until); time.Sleep(lookAgain) {
		var t *tapHandle
		if t, err = openTapHandle(a); err != nil {
			continue
		}
		mac, err := t.mac()
		if err == nil && mac != want {
			err = causef(ErrInvalid, "the adapter %q keeps the mac %s: set mac to that in [segments.device]",
				a.name, mac)
		}
		if err != nil {
			return nil, errors.Join(err, t.close())
		}
		return t, nil
	}
	return nil, err
}

func (t *tapHandle) mac() (ether.MAC, error) {
	b, err := t.control(tapGetMAC, make([]byte, len(ether.MAC{})))
	if err != nil {
		return ether.MAC{}, err
	}
	return ether.MAC(b), nil
}

func (t *tapHandle) checkMTU(want int) error {
	b, err := t.control(tapGetMTU, make([]byte, 4))
	if err != nil {
		return err
	}
	if has := int(binary.LittleEndian.Uint32(b)); has < want {
		return causef(ErrInvalid, "the adapter %q takes an mtu of %d at most, and %d is asked for",
			t.adapter.name, has, want)
	}
	return nil
}

// control asks the driver for something; what b has goes there, and b is what comes back.
func (t *tapHandle) control(what uint32, b []byte) ([]byte, error) {
	var n uint32
	size := uint32(len(b))
	err := windows.DeviceIoControl(t.handle, tapControl(what), &b[0], size, &b[0], size, &n, &t.out)
	if errors.Is(err, windows.ERROR_IO_PENDING) {
		err = windows.GetOverlappedResult(t.handle, &t.out, &n, true)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the adapter %q: %w", t.adapter.name, err)
	}
	return b, nil
}

// name is the connection's, which people can change.
func (t *tapHandle) name() string { return t.adapter.connection() }

func (t *tapHandle) read(take func(frame []byte)) error {
	n, err := t.do(&t.in, func(o *windows.Overlapped) error {
		return windows.ReadFile(t.handle, t.buf, nil, o)
	})
	take(t.buf[:n])
	return err
}

func (t *tapHandle) write(buf []byte) error {
	_, err := t.do(&t.out, func(o *windows.Overlapped) error {
		return windows.WriteFile(t.handle, buf[headroom:], nil, o)
	})
	return err
}

// do begins an operation and waits for its end, or for close.
func (t *tapHandle) do(o *windows.Overlapped, begin func(*windows.Overlapped) error) (n int, err error) {
	t.open.RLock()
	defer t.open.RUnlock()
	if t.closed {
		return 0, ErrDown
	}
	if err := windows.ResetEvent(o.HEvent); err != nil {
		return 0, err
	}
	err = begin(o)
	if errors.Is(err, windows.ERROR_IO_PENDING) {
		ends := []windows.Handle{o.HEvent, t.stop}
		_, err = windows.WaitForMultipleObjects(ends, false, windows.INFINITE)
	}
	if err != nil {
		return 0, err
	}
	if stopped, _ := windows.WaitForSingleObject(t.stop, 0); stopped == windows.WAIT_OBJECT_0 {
		_ = windows.CancelIoEx(t.handle, o)
	}
	var done uint32
	err = windows.GetOverlappedResult(t.handle, o, &done, true)
	return int(done), err
}

// close ends what is under way, which disconnects the adapter, and leaves it to others.
func (t *tapHandle) close() (err error) {
	t.once.Do(func() {
		if t.stop != 0 {
			_ = windows.SetEvent(t.stop)
		}
		t.open.Lock()
		defer t.open.Unlock()
		t.closed = true
		err = windows.CloseHandle(t.handle)
		for _, event := range []windows.Handle{t.in.HEvent, t.out.HEvent, t.stop} {
			if event != 0 {
				_ = windows.CloseHandle(event)
			}
		}
	})
	return err
}
