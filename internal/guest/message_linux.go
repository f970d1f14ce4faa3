package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev"
)

// A report is what the process in the namespace says: it has its TAP, which comes with the report, as do
// the tables of its connections; it took these addresses; or it failed. When it has become the program, the link ends without a word.
type report struct {
	Taken []netip.Prefix `json:"taken,omitempty"`
	Kind  string         `json:"kind,omitempty"`  // of the failure, one of kinds
	Error string         `json:"error,omitempty"` // what failed, in a sentence
}

// kinds are the failures that somebody can do something about, by their names in a report.
var kinds = map[string]error{
	"rights": ErrRights, "taken": ErrTaken, "program": ErrProgram,
	"tun_permission": tundev.ErrPermission, "tun_missing": tundev.ErrNoTun,
}

// failure makes the report of an error.
func failure(err error) report {
	r := report{Error: err.Error()}
	for name, kind := range kinds {
		if errors.Is(err, kind) {
			r.Kind = name
		}
	}
	return r
}

// err is the error that a report is, or nil.
func (r report) err() error {
	if r.Error == "" {
		return nil
	}
	return &failed{text: r.Error, kind: kinds[r.Kind]}
}

// failed is an error of the other process.
type failed struct {
	text string
	kind error
}

func (f *failed) Error() string { return f.text }
func (f *failed) Unwrap() error { return f.kind }

// A link joins the two processes. Each message is one packet of JSON.
type link struct{ conn *net.UnixConn }

// maxMessage is how long one is at most.
const maxMessage = 1 << 16

// newLink makes a link and the other process's end of it.
func newLink() (link, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return link{}, nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	other := os.NewFile(uintptr(fds[1]), "link")
	l, err := linkOf(os.NewFile(uintptr(fds[0]), "link"))
	if err != nil {
		_ = other.Close()
	}
	return l, other, err
}

// linkOf makes the link of one end, and closes the file.
func linkOf(f *os.File) (link, error) {
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return link{}, err
	}
	return link{c.(*net.UnixConn)}, nil
}

// maxPassed is how many files come with it at most.
const maxPassed = 3

// send sends a message, with files.
func (l link) send(v any, passed ...*os.File) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var fds []int
	for _, f := range passed {
		fds = append(fds, int(f.Fd()))
	}
	_, _, err = l.conn.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	runtime.KeepAlive(passed)
	return err
}

// receive takes a message, and the files that came with it. At the end of the link it is io.EOF.
func (l link) receive(v any) ([]*os.File, error) {
	b, control := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*maxPassed))
	n, controls, _, _, err := l.conn.ReadMsgUnix(b, control)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	var passed []*os.File
	messages, err := unix.ParseSocketControlMessage(control[:controls])
	for i := range messages {
		fds, _ := unix.ParseUnixRights(&messages[i]) // others are not sent
		for _, fd := range fds {
			passed = append(passed, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return passed, errors.Join(err, json.Unmarshal(b[:n], v))
}
