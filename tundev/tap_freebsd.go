package tundev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	tapPath = "/dev/tap" // each time it is opened there is another interface

	// ours is the description of the interfaces that were made here. FreeBSD keeps an interface
	// when its program ends, so one with it that nobody has open is a leftover.
	ours = "vxmesh"
)

// tapGetName is TAPGIFNAME (net/if_tap.h), which gives an ifRequest.
var tapGetName = ioctlNumber(ioctlOut, uint(unsafe.Sizeof(ifRequest{})), 't', 93)

// openTAP makes an interface and gives it the name, or takes one of that name that nobody has
// open.
func openTAP(o Options) (card, bool, error) {
	there, err := lookUp(o.Name)
	if err != nil {
		return nil, false, err
	}
	if there != nil {
		return adopt(o.Name)
	}
	file, err := os.OpenFile(tapPath, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, causef(ErrNoTun,
			"%s is missing: load the driver with kldload if_tuntap", tapPath)
	}
	if err != nil {
		return nil, false, err
	}
	t := newTapFile(file, "", false)
	if t.called = t.name(); t.called == "" {
		return nil, false, errors.Join(fmt.Errorf("%s does not tell its interface", tapPath), t.close())
	}
	if err := describe(t.called, ours); err != nil {
		return nil, false, errors.Join(err, t.close())
	}
	if err := (host{}).rename(t.called, o.Name); err != nil {
		return nil, false, errors.Join(fmt.Errorf("rename it from %s: %w", t.called, err), t.close())
	}
	return t, false, nil
}

// adopt opens an interface that is there already, if it is a TAP and free. The driver gives a
// renamed one a file of its new name.
func adopt(name string) (card, bool, error) {
	file, err := os.OpenFile("/dev/"+name, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, causef(ErrInUse, "an interface that is no tap has this name")
	case errors.Is(err, unix.EBUSY):
		return nil, false, causef(ErrInUse, "another process has it")
	case err != nil:
		return nil, false, err
	}
	t := newTapFile(file, name, true)
	if there, err := lookUp(name); err != nil || there == nil || there.mac.IsZero() || t.name() != name {
		_ = t.close()
		return nil, false, causef(ErrInUse, "an interface that is no tap has this name")
	}
	t.lent = description(name) != ours
	return t, t.lent, nil
}

// name asks the driver, which knows of renamings.
func (t *tapFile) name() (name string) {
	conn, err := t.file.SyscallConn()
	if err != nil {
		return ""
	}
	_ = conn.Control(func(fd uintptr) {
		var r ifRequest
		if ioctl(fd, tapGetName, unsafe.Pointer(&r)) == nil {
			name = unix.ByteSliceToString(r.name[:])
		}
	})
	return name
}

// close closes the file first: the kernel has who destroys an interface wait for that.
func (t *tapFile) close() error {
	name := t.name()
	if err := t.file.Close(); err != nil || t.lent || name == "" {
		if errors.Is(err, fs.ErrClosed) {
			return nil
		}
		return err
	}
	if err := destroy(name); err != nil && !errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("destroy %s: %w", name, err)
	}
	return nil
}

func (host) rename(from, to string) error {
	name := nameOf(to)
	r := ifPointer{name: nameOf(from), data: unsafe.Pointer(&name)}
	return ask(unix.SIOCSIFNAME, unsafe.Pointer(&r))
}

// describe gives an interface a description.
func describe(name, text string) error {
	b := append([]byte(text), 0)
	r := ifBuffer{name: nameOf(name), len: uint64(len(b)), data: unsafe.Pointer(&b[0])}
	if err := ask(unix.SIOCSIFDESCR, unsafe.Pointer(&r)); err != nil {
		return fmt.Errorf("describe %s: %w", name, err)
	}
	return nil
}

// description gives that of an interface, "" when there is none or it is longer than ours.
func description(name string) string {
	b := make([]byte, len(ours)+1)
	r := ifBuffer{name: nameOf(name), len: uint64(len(b)), data: unsafe.Pointer(&b[0])}
	if ask(unix.SIOCGIFDESCR, unsafe.Pointer(&r)) != nil || r.data == nil {
		return ""
	}
	return unix.ByteSliceToString(b)
}
