package guest

import (
	"bufio"
	"io"
	"os"
	"strings"
	"time"
)

const (
	// lingerMost is how long what the program has sent may take to arrive after its end, and lingerEvery
	// how often it is looked whether it has.
	lingerMost  = 5 * time.Second
	lingerEvery = 5 * time.Millisecond
)

// tables are the lists of the namespace's TCP connections. Once open they can be read from outside, and when
// nobody is left inside.
func tables() (list []*os.File) {
	for _, name := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		if f, err := os.Open(name); err == nil { // one may be missing, as IPv6 is
			list = append(list, f)
		}
	}
	return list
}

// linger waits until the kernel has delivered what an ended program has left to it, as it would on any
// host; a signal has it wait no longer.
func (p *Process) linger(signals <-chan os.Signal) {
	most := time.NewTimer(lingerMost)
	defer most.Stop()
	again := time.NewTicker(lingerEvery)
	defer again.Stop()
	for p.delivering() {
		select {
		case <-most.C:
			return
		case <-signals:
			return
		case <-again.C:
		}
	}
}

// delivering reports whether a connection without a program has something that is not acknowledged yet.
func (p *Process) delivering() bool {
	for _, table := range p.files[1:] {
		if _, err := table.Seek(0, io.SeekStart); err == nil && closing(table) {
			return true
		}
	}
	return false
}

// closing reports whether a connection in a table waits for its data or its FIN to be acknowledged: the
// states FIN_WAIT1, LAST_ACK and CLOSING of proc(5), which are those of RFC 9293, 3.3.2.
func closing(table io.Reader) bool {
	for lines := bufio.NewScanner(table); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) > 3 && (f[3] == "04" || f[3] == "09" || f[3] == "0B") {
			return true
		}
	}
	return false
}
