package tundev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxTAP is how many files of tap(4) are tried.
const maxTAP = 256

// openTAP opens the TAP of that name, or the first that nobody has, with the name as its
// description. OpenBSD makes the interface for who opens its file, and removes it at the end of
// the process, unless it was there before.
func openTAP(o Options) (card, bool, error) {
	if unit, ok := unitOf("tap", o.Name); ok {
		return openUnit(unit)
	}
	for unit := range maxTAP {
		there, err := lookUp("tap" + strconv.Itoa(unit))
		if err != nil {
			return nil, false, err
		}
		if there != nil { // somebody's
			continue
		}
		t, lent, err := openUnit(unit)
		if errors.Is(err, ErrInUse) {
			continue
		}
		if err == nil {
			text := [64]byte{}
			copy(text[:], "vxmesh "+o.Name)
			r := ifPointer{name: nameOf(t.name()), data: unsafe.Pointer(&text)}
			_ = ask(unix.SIOCSIFDESCR, unsafe.Pointer(&r)) // only to be read by people
		}
		return t, lent, err
	}
	return nil, false, causef(ErrInUse, "all of the %d taps are in use", maxTAP)
}

func openUnit(unit int) (card, bool, error) {
	name := "tap" + strconv.Itoa(unit)
	there, err := lookUp(name)
	if err != nil {
		return nil, false, err
	}
	file, err := os.OpenFile("/dev/"+name, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, causef(ErrNoTun,
			"/dev/%s is missing: make it with cd /dev && sh MAKEDEV %s", name, name)
	case errors.Is(err, unix.EBUSY):
		return nil, false, causef(ErrInUse, "another process has %s", name)
	case err != nil:
		return nil, false, err
	}
	return newTapFile(file, name, there != nil), there != nil, nil
}

// name never changes: OpenBSD renames no interfaces.
func (t *tapFile) name() string { return t.called }

func (t *tapFile) close() error {
	if err := t.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("close %s: %w", t.called, err)
	}
	return nil
}
