package capture_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/vxmesh/vxmesh/tunnel/capture"
)

// TestOwnInterfaces: a listener may have interfaces of its own, to which packets say theirs. Those of
// another point, or of none, are left out.
func TestOwnInterfaces(t *testing.T) {
	var tap capture.Tap
	l := tap.Attach(capture.Options{Interfaces: []capture.Interface{
		{Name: "host1", Point: capture.Inner}, {Name: "internet", Point: capture.Outer},
	}})
	for _, p := range []capture.Packet{
		{Point: capture.Inner, Interface: 0, Data: frame, Port: "host1", Note: "ARP request"},
		{Point: capture.Outer, Interface: 1, Data: []byte("x"), Src: here4, Dst: vtep4, Note: "junk"},
		{Point: capture.Outer, Interface: 0, Data: frame},
		{Point: capture.Inner, Interface: 2, Data: frame},
		{Point: capture.Inner, Interface: -1, Data: frame},
	} {
		p.Time = noon
		tap.Put(&p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var file bytes.Buffer
	if err := l.Run(ctx, &file); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(&file, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		_, ci, o, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		face, err := r.Interface(ci.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, face.Name+": "+strings.Join(o.Comments, "|"))
	}
	if want := "host1: port=host1 ARP request, internet: junk"; strings.Join(got, ", ") != want {
		t.Errorf("the file has %q, want %q", got, want)
	}
}
