//go:build darwin || freebsd

package tundev

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// destroy removes an interface.
func destroy(name string) error {
	r := ifRequest{name: nameOf(name)}
	return ask(unix.SIOCIFDESTROY, unsafe.Pointer(&r))
}

// driver asks the driver of an interface for something of its own.
func driver(request uint, name string, command uint64, arg unsafe.Pointer, size uintptr) error {
	return ask(request, unsafe.Pointer(&driverRequest{
		name: nameOf(name), command: command, len: uint64(size), data: arg,
	}))
}

// bridge asks if_bridge(4) for something about a port.
func bridge(request uint, name string, command uint64, port string) error {
	there, err := lookUp(name)
	if err != nil {
		return err
	}
	if there == nil {
		return ErrNoBridge
	}
	p := bridgePort{port: nameOf(port)}
	err = driver(request, name, command, unsafe.Pointer(&p), unsafe.Sizeof(p))
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) {
		return causef(ErrNoBridge, "it is not a bridge, or does not take this device: %v", err)
	}
	return err
}

func (host) isPort(name, port string) (bool, error) {
	err := bridge(unix.SIOCGDRVSPEC, name, bridgeGetFlags, port)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

func (host) join(name, port string) error {
	return bridge(unix.SIOCSDRVSPEC, name, bridgeAdd, port)
}

func (host) leave(name, port string) error {
	return bridge(unix.SIOCSDRVSPEC, name, bridgeDelete, port)
}
