package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// systemDir is the directory of the sockets of all nodes; Windows has no other.
func systemDir() string {
	if dir := os.Getenv("ProgramData"); dir != "" {
		return filepath.Join(dir, "vxmesh")
	}
	return filepath.Join(os.TempDir(), "vxmesh")
}

// listenPrivate leaves who may connect to the access list that the file inherits.
func listenPrivate(path string) (net.Listener, error) { return net.Listen("unix", path) }

func admitGroup(_, group string) error {
	if group == "" {
		return nil
	}
	return Errorf(CodeConfig, "control socket: a group can not be set on Windows")
}

func refused(err error) bool {
	const wsaConnRefused = syscall.Errno(10061)
	return errors.Is(err, wsaConnRefused)
}

func lockDir(string) (unlock func(), err error) { return func() {}, nil }
