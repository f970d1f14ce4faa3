package tundev

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

const (
	bpfLen    = 128 << 10 // of the buffer that is read at once
	maxBPF    = 256       // files of bpf(4) that are tried
	fethLimit = "net.link.fake.max_mtu"
)

// A feth is the card of a pair of macOS's feth interfaces: what one sends, the other receives. The
// near one is the system's, with addresses and all; the far one is read and written by BPF.
type feth struct {
	near, far string
	bpf       *os.File
	buf       []byte
}

// openTAP makes a pair. The system chooses the numbers, but for that of a name like feth7.
func openTAP(o Options) (card, bool, error) {
	removeLeftovers(o.MAC)
	raiseLimit()
	f := &feth{}
	if err := f.create(driverName("feth", o.Name)); err != nil {
		return nil, false, errors.Join(err, f.close())
	}
	return f, false, nil
}

// removeLeftovers removes the pair of a run that was killed. It is known by the MAC, which is this
// device's alone.
func removeLeftovers(mac ether.MAC) {
	all, _ := net.Interfaces()
	for _, i := range all {
		if _, ok := unitOf("feth", i.Name); !ok || string(i.HardwareAddr) != string(mac[:]) {
			continue
		}
		var p fethPeer
		if driver(unix.SIOCGDRVSPEC, i.Name, fethGetPeer, unsafe.Pointer(&p), unsafe.Sizeof(p)) == nil {
			_ = destroy(unix.ByteSliceToString(p.peer[:]))
		}
		_ = destroy(i.Name)
	}
}

// raiseLimit has new interfaces take any MTU that a device can have. If that cannot be had,
// setting the MTU says so.
func raiseLimit() {
	if limit, err := unix.SysctlUint32(fethLimit); err == nil && limit < maxMTU {
		_ = command("/usr/sbin/sysctl", fethLimit+"="+strconv.Itoa(maxMTU))
	}
}

func (f *feth) create(name string) (err error) {
	if f.near, err = createFeth(name); err != nil {
		return err
	}
	if f.far, err = createFeth("feth"); err != nil {
		return err
	}
	p := fethPeer{peer: nameOf(f.far)}
	err = driver(unix.SIOCSDRVSPEC, f.near, fethSetPeer, unsafe.Pointer(&p), unsafe.Sizeof(p))
	if err != nil {
		return fmt.Errorf("connect %s with %s: %w", f.near, f.far, err)
	}
	_ = host{}.setMTU(f.far, maxMTU) // frames that are larger than it cannot be written
	if err := setFlagUp(f.far); err != nil {
		return fmt.Errorf("set up %s: %w", f.far, err)
	}
	if f.bpf, f.buf, err = openBPF(f.far); err != nil {
		return fmt.Errorf("open BPF on %s: %w", f.far, err)
	}
	return nil
}

func createFeth(name string) (string, error) {
	r := ifRequest{name: nameOf(name)}
	switch err := ask(unix.SIOCIFCREATE, unsafe.Pointer(&r)); {
	case errors.Is(err, unix.EEXIST):
		return "", causef(ErrInUse, "another interface has this name")
	case errors.Is(err, unix.EINVAL):
		return "", causef(ErrNoTun, `this macOS has no feth interfaces: use kind = "tun"`)
	case err != nil:
		return "", err
	}
	return unix.ByteSliceToString(r.name[:]), nil
}

// openBPF gives a file that reads what an interface receives and writes what it sends, and a
// buffer of the only length that it reads. A read gives up after a second, so that Close need not
// wait longer for it.
func openBPF(name string) (*os.File, []byte, error) {
	file, err := freeBPF()
	if err != nil {
		return nil, nil, err
	}
	var n int
	conn, err := file.SyscallConn()
	if err == nil {
		e := conn.Control(func(fd uintptr) { n, err = attachBPF(int(fd), name) })
		err = errors.Join(err, e)
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, make([]byte, n), nil
}

// freeBPF opens the first file of bpf(4) that nobody has. It blocks: Go's poller cannot wait for
// it.
func freeBPF() (*os.File, error) {
	for i := range maxBPF {
		path := "/dev/bpf" + strconv.Itoa(i)
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), path), nil
		case !errors.Is(err, unix.EBUSY):
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
	return nil, fmt.Errorf("all of the %d files /dev/bpf* are in use", maxBPF)
}

// attachBPF sets a descriptor up in the order that BPF wants, and gives the length of its buffer.
func attachBPF(fd int, name string) (int, error) {
	size := uint32(bpfLen)
	to := ifRequest{name: nameOf(name)}
	yes, no := uint32(1), uint32(0)
	patience := unix.Timeval{Sec: 1}
	for _, r := range []struct {
		number uint
		arg    unsafe.Pointer
	}{
		{unix.BIOCSBLEN, unsafe.Pointer(&size)}, // before BIOCSETIF
		{unix.BIOCSETIF, unsafe.Pointer(&to)},
		{unix.BIOCIMMEDIATE, unsafe.Pointer(&yes)}, // a frame at once, instead of many later
		{unix.BIOCSHDRCMPLT, unsafe.Pointer(&yes)}, // the source is ours to say
		{unix.BIOCSSEESENT, unsafe.Pointer(&no)},
		{unix.BIOCSRTIMEOUT, unsafe.Pointer(&patience)},
		{unix.BIOCPROMISC, nil},
		{unix.BIOCGBLEN, unsafe.Pointer(&size)},
	} {
		if err := ioctl(uintptr(fd), r.number, r.arg); err != nil {
			return 0, fmt.Errorf("ioctl %#x: %w", r.number, err)
		}
	}
	return int(size), nil
}

func (f *feth) name() string { return f.near }

func (f *feth) read(take func(frame []byte)) error {
	n, err := f.bpf.Read(f.buf)
	if errors.Is(err, io.EOF) { // a second without frames
		return nil
	}
	if err != nil {
		return err
	}
	return splitBPF(f.buf[:n], take)
}

func (f *feth) write(buf []byte) error {
	_, err := f.bpf.Write(buf[headroom:])
	for _, gone := range []error{fs.ErrClosed, unix.ENXIO, unix.ENETDOWN} {
		if errors.Is(err, gone) {
			return ErrDown
		}
	}
	return err
}

// close removes both interfaces, which ends a read under way.
func (f *feth) close() error {
	var errs []error
	for _, name := range []string{f.near, f.far} {
		if name == "" {
			continue
		}
		err := destroy(name)
		if err != nil && !errors.Is(err, unix.ENXIO) && !errors.Is(err, unix.EINVAL) { // it is gone
			errs = append(errs, fmt.Errorf("destroy %s: %w", name, err))
		}
	}
	if f.bpf != nil {
		if err := f.bpf.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
