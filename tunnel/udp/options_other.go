//go:build !linux

package udp

import "syscall"

// setOptions leaves the system's defaults: batching and offloads are Linux's.
func setOptions(syscall.RawConn, bool, Options) error { return nil }

// setMode has nothing to change here: fragmentation and checksums are left to the system.
func (s *Socket) setMode(Mode) error { return nil }

// Lost is unknown on this system.
func (s *Socket) Lost() uint64 { return 0 }
