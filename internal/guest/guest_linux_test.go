package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev"
)

// TestReport: what kind of failure it is, and what it says, crosses to the other process.
func TestReport(t *testing.T) {
	for kind, err := range map[error]error{
		ErrRights:            fmt.Errorf("%w: %w", ErrRights, unix.EPERM),
		ErrTaken:             &failed{"02:00:00:00:00:01 in the segment has 10.0.0.1", ErrTaken},
		ErrProgram:           &failed{"run /bin/x: exec format error", ErrProgram},
		tundev.ErrPermission: &tundev.Error{Op: "create tap device", Name: Device, Err: tundev.ErrPermission},
		tundev.ErrNoTun:      &tundev.Error{Op: "create tap device", Name: Device, Err: tundev.ErrNoTun},
		nil:                  errors.New("of another kind"),
	} {
		got := failure(err).err()
		if got == nil || got.Error() != err.Error() || kind != nil && !errors.Is(got, kind) {
			t.Errorf("%v became %v", err, got)
		}
		if hints := len(Hints(got)); (hints == 0) != (kind == nil || kind == ErrProgram) || hints > 3 {
			t.Errorf("%v: %d hints", err, hints)
		}
	}
	if err := (report{}).err(); err != nil {
		t.Errorf("no failure: %v", err)
	}
}

// TestLink: a message and the files with it cross, and then the end.
func TestLink(t *testing.T) {
	l, other, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	far, err := linkOf(other)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.conn.Close() }()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	sent := Place{MTU: 1400, Candidates: [][]netip.Prefix{{netip.MustParsePrefix("10.0.0.9/24")}, nil}}
	if err := l.send(sent, null, null, null); err != nil {
		t.Fatal(err)
	}
	_ = l.conn.Close()
	var got Place
	files, err := far.receive(&got)
	same := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if err != nil || len(files) != 3 || !cmp.Equal(got, sent, same) {
		t.Errorf("%+v with %d files, %v", got, len(files), err)
	}
	for _, f := range files {
		if _, err := f.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("it is not the file that was sent: %v", err)
		}
		_ = f.Close()
	}
	if _, err := far.receive(&got); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
}

// TestClosing goes by the states of the kernel's table.
func TestClosing(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
	const line = "   0: 0100000A:0016 0200000A:C350 %s 00000000:00000000 00:00000000 00000000     0\n"
	for state, want := range map[string]bool{
		"01": false, "02": false, "04": true, "05": false, "06": false, "08": false, "09": true, "0A": false, "0B": true,
	} {
		if got := closing(strings.NewReader(head + fmt.Sprintf(line, "0A") + fmt.Sprintf(line, state))); got != want {
			t.Errorf("state %s: %v", state, got)
		}
	}
	if closing(bytes.NewReader(nil)) || closing(strings.NewReader(head+"cut\n")) {
		t.Error("nothing is there, and is not delivered")
	}
}

// TestTables: this process's own can be read again and again.
func TestTables(t *testing.T) {
	p := &Process{files: append([]*os.File{nil}, tables()...)}
	if len(p.files) < 2 {
		t.Fatal("no tables")
	}
	defer func() {
		for _, f := range p.files[1:] {
			_ = f.Close()
		}
	}()
	for range 2 {
		b := make([]byte, 8)
		if _, err := p.files[1].ReadAt(b, 0); err != nil || !strings.Contains(string(b), "sl") {
			t.Errorf("%q, %v", b, err)
		}
	}
}
