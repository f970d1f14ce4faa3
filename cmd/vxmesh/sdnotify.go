package main

import (
	"net"
	"os"
	"strconv"
)

// notifySystemd tells the service manager how the daemon does (sd_notify(3)); without one it does
// nothing. That it may fail is the manager's concern, not ours.
func notifySystemd(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" || state == "" {
		return
	}
	conn, err := net.Dial("unixgram", name) // a leading @ is an abstract name to both
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}

// watchdog is what the daemon calls while its loops live, where the service manager watches that; nil
// where it does not.
func watchdog() func() {
	if os.Getenv("WATCHDOG_USEC") == "" {
		return nil
	}
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return nil
	}
	return func() { notifySystemd("WATCHDOG=1") }
}
