package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/vxmesh/vxmesh/nat/stun"
)

// A system is what the doctor sees and touches of this machine; a test has another.
type system struct {
	os   string
	euid int // -1 where there is no such thing
	now  func() time.Time

	readFile  func(path string) ([]byte, error)
	writeFile func(path string, text []byte) error // of a file that exists
	stat      func(path string) (fs.FileInfo, error)
	owner     func(fs.FileInfo) (uid int, ok bool)
	chmod     func(path string, mode fs.FileMode) error

	// run runs a command and gives what it printed; [exec.ErrNotFound] is in the error where there is
	// none of that name.
	run func(ctx context.Context, name string, args ...string) ([]byte, error)
	// bind opens a UDP port and closes it again.
	bind func(ctx context.Context, at netip.AddrPort) error
	// askSTUN asks a server, HOST:PORT, once or more.
	askSTUN func(ctx context.Context, server string) error
}

// commandPatience is how long a command of the system may take.
const commandPatience = 5 * time.Second

func thisSystem() system {
	return system{
		os: runtime.GOOS, euid: os.Geteuid(), now: time.Now,
		readFile: os.ReadFile, stat: os.Stat, owner: ownerOf, chmod: os.Chmod,
		writeFile: func(path string, text []byte) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.Write(text)
			return errors.Join(err, f.Close())
		},
		run: runCommand, bind: bindUDP, askSTUN: askSTUN,
	}
}

// runCommand finds a command also where only root's PATH leads.
func runCommand(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	if err != nil {
		return nil, exec.ErrNotFound
	}
	c := exec.CommandContext(ctx, path, args...)
	c.Env = append(os.Environ(), "LC_ALL=C")
	return c.Output()
}

func bindUDP(ctx context.Context, at netip.AddrPort) error {
	c, err := new(net.ListenConfig).ListenPacket(ctx, "udp", at.String())
	if err != nil {
		return err
	}
	return c.Close()
}

// A server is asked stunTries times, stunWait apart.
const (
	stunTries = 3
	stunWait  = 700 * time.Millisecond
)

func askSTUN(ctx context.Context, server string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	at := conn.RemoteAddr().(*net.UDPAddr).AddrPort()
	t := stun.NewTransaction(at)
	buf := make([]byte, 1500)
	for range stunTries {
		if _, err = conn.Write(t.Request()); err != nil {
			return err
		}
		if err = conn.SetReadDeadline(time.Now().Add(stunWait)); err != nil {
			return err
		}
		var n int
		if n, err = conn.Read(buf); err != nil {
			continue
		}
		if _, err = t.Parse(buf[:n], at); err == nil {
			return nil
		}
	}
	return err
}
