package main

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// detach has a command run without this console: what ends it does not end the command.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP,
	}
}
