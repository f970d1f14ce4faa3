//go:build !windows

package control

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// maxPassed is how many descriptors are looked at when one is expected; the kernel closes the others.
const maxPassed = 8

// sendFile passes a descriptor, with one byte (unix(7), SCM_RIGHTS). The file is left as it is.
func sendFile(c *net.UnixConn, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := raw.Control(func(fd uintptr) {
		_, _, sent = c.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(fd)), nil)
	}); err != nil {
		return err
	}
	return sent
}

// receiveFile takes the one descriptor that comes with one byte, and closes whatever else comes.
func receiveFile(c *net.UnixConn) (*os.File, error) {
	b, control := make([]byte, 1), make([]byte, syscall.CmsgSpace(4*maxPassed))
	n, controls, _, _, err := c.ReadMsgUnix(b, control)
	if err != nil {
		return nil, fmt.Errorf("no TAP came: %w", err)
	}
	messages, err := syscall.ParseSocketControlMessage(control[:controls])
	if err != nil {
		return nil, Errorf(CodeUsage, "what came with the TAP is not what was expected: %v", err)
	}
	var fds []int
	for _, m := range messages {
		if more, err := syscall.ParseUnixRights(&m); err == nil {
			fds = append(fds, more...)
		}
	}
	if n == 1 && len(fds) == 1 {
		return os.NewFile(uintptr(fds[0]), "tap"), nil
	}
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
	return nil, Errorf(CodeUsage, "one descriptor, of a TAP, is to come with one byte, not %d with %d", len(fds), n)
}
