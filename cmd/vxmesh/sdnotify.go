package main

import (
	"net"
	"os"
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
