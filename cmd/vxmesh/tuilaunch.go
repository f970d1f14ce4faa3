package main

import (
	"bytes"
	"os"
	"os/exec"
)

// ownCommand is one of this program's commands, with root's rights where it needs them and sudo is there.
func ownCommand(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	if args[0] != "doctor" && needsSudo() {
		return exec.Command("sudo", append([]string{"--", self}, args...)...)
	}
	return exec.Command(self, args...)
}

// needsSudo reports whether this is an ordinary user who may be able to become root.
func needsSudo() bool {
	if os.Geteuid() <= 0 { // -1 on Windows
		return false
	}
	_, err := exec.LookPath("sudo")
	return err == nil
}

// authorize gives what asks for the password, if there is need of one.
func authorize() *exec.Cmd {
	if !needsSudo() {
		return nil
	}
	return exec.Command("sudo", "--validate")
}

// launch starts one of this program's commands apart from the terminal, so that it runs on without it.
// What it says goes to a file of its own: a pipe would break with the UI, and the node with it.
func launch(args ...string) (said func() string, ended <-chan error, err error) {
	file, err := os.CreateTemp("", "vxmesh-start-*.log")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }()
	cmd := ownCommand(args...)
	cmd.Stdout, cmd.Stderr = file, file
	detach(cmd)
	if err := cmd.Start(); err != nil {
		_ = os.Remove(file.Name())
		return nil, nil, err
	}
	end := make(chan error, 1)
	go func() { end <- cmd.Wait() }()
	return func() string { return lastLines(file.Name()) }, end, nil
}

// saidKept is how much of what a command says is shown, in bytes: the last of it says why it ended.
const saidKept = 4 << 10

// lastLines are the last lines of a file, and where the rest is.
func lastLines(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	if len(text) > saidKept {
		_, text, _ = bytes.Cut(text[len(text)-saidKept:], []byte("\n"))
	}
	return string(text) + "\nall of it is in " + path + "\n"
}
