//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// detach has a command run in a session of its own: what ends the terminal does not end it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
