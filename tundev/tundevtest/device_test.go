package tundevtest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

var testMAC = ether.MAC{0xfe, 0, 0, 0, 0, 1}

func TestFramesPassBothWays(t *testing.T) {
	d := New("vxm0", testMAC, 1500)
	if d.Name() != "vxm0" || d.MAC() != testMAC || d.MTU() != 1500 || !d.State().Up {
		t.Errorf("device is %s %s %d %+v", d.Name(), d.MAC(), d.MTU(), d.State())
	}
	h := offload.Header{GSOType: offload.GSOTCPv4, GSOSize: 1448}
	frame := bytes.Repeat([]byte{7}, 60)
	if err := d.Inject(h, frame); err != nil {
		t.Fatal(err)
	}
	frame[0] = 8 // a copy was taken
	buf := make([]byte, tundev.BufLen)
	n, got, err := d.ReadFrame(buf, false)
	if err != nil || got != h || !bytes.Equal(buf[:n], bytes.Repeat([]byte{7}, 60)) {
		t.Errorf("read %d bytes, %+v, %v", n, got, err)
	}
	if _, _, err := d.ReadFrame(buf, false); err != tundev.ErrWouldBlock {
		t.Errorf("second read: %v", err)
	}

	part := []byte("0123456789")
	if err := d.WriteFrame(h, [][]byte{part, nil, part}); err != nil {
		t.Fatal(err)
	}
	part[0] = 'x' // parts are not kept
	f, err := d.Next(t.Context())
	if err != nil || f.Header != h || string(f.Bytes) != "01234567890123456789" {
		t.Errorf("next is %+v, %v", f, err)
	}
	if all := d.Frames(); len(all) != 0 {
		t.Errorf("%d frames are left", len(all))
	}
}

func TestRefusals(t *testing.T) {
	d := New("vxm0", testMAC, 1500)
	frame := make([]byte, 60)
	if err := d.WriteFrame(offload.Header{}, [][]byte{frame[:13]}); err == nil {
		t.Error("a runt was taken")
	}
	if _, _, err := d.ReadFrame(make([]byte, 100), false); err == nil || err == tundev.ErrWouldBlock {
		t.Errorf("a short buffer gives %v", err)
	}
	for range Depth {
		if err := errors.Join(d.Inject(offload.Header{}, frame),
			d.WriteFrame(offload.Header{}, [][]byte{frame})); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Inject(offload.Header{}, frame); err != ErrFull {
		t.Errorf("inject into a full queue: %v", err)
	}
	if err := d.WriteFrame(offload.Header{}, [][]byte{frame}); err != ErrFull {
		t.Errorf("write into a full queue: %v", err)
	}
	if n := len(d.Frames()); n != Depth {
		t.Errorf("%d frames were kept, not %d", n, Depth)
	}
}

func TestReconfigure(t *testing.T) {
	d := New("vxm0", testMAC, 1500)
	o := d.Options()
	o.MTU = 1400
	if err := d.Reconfigure(o); err != nil || d.MTU() != 1400 {
		t.Errorf("mtu is %d, %v", d.MTU(), err)
	}
	o.Name = "vxm1"
	if err := d.Reconfigure(o); !errors.Is(err, tundev.ErrInvalid) || d.Name() != "vxm0" {
		t.Errorf("another name gives %v", err)
	}
	o.Name, o.MAC = "vxm0", ether.MAC{2}
	if err := d.Reconfigure(o); !errors.Is(err, tundev.ErrInvalid) || d.MAC() != testMAC {
		t.Errorf("another mac gives %v", err)
	}
}

func TestDownIsToldAndRefusesFrames(t *testing.T) {
	var told []tundev.State
	d := NewWith(tundev.Options{
		Name: "vxm0", OnChange: func(s tundev.State) { told = append(told, s) },
	}, tundev.Offloads{})
	d.SetUp(false, "it was removed")
	if err := d.WriteFrame(offload.Header{}, [][]byte{make([]byte, 60)}); err != tundev.ErrDown {
		t.Errorf("write while down: %v", err)
	}
	d.SetUp(true, "")
	if err := d.WriteFrame(offload.Header{}, [][]byte{make([]byte, 60)}); err != nil {
		t.Errorf("write after: %v", err)
	}
	if len(told) != 2 || told[0].Reason != "it was removed" || !told[1].Up || d.State() != told[1] {
		t.Errorf("told %+v", told)
	}
}

func TestCloseWakesEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New("vxm0", testMAC, 1500)
		read, next, run := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go func() {
			_, _, err := d.ReadFrame(make([]byte, tundev.BufLen), true)
			read <- err
		}()
		go func() {
			_, err := d.Next(context.Background())
			next <- err
		}()
		go func() { run <- d.Run(context.Background()) }()
		synctest.Wait() // all three are waiting
		if err := errors.Join(d.Close(), d.Close()); err != nil {
			t.Error(err)
		}
		if err := <-read; err != tundev.ErrClosed {
			t.Errorf("read: %v", err)
		}
		if err := <-next; err != tundev.ErrClosed {
			t.Errorf("next: %v", err)
		}
		if err := <-run; err != nil {
			t.Errorf("run: %v", err)
		}
		for what, err := range map[string]error{
			"inject": d.Inject(offload.Header{}, nil),
			"write":  d.WriteFrame(offload.Header{}, nil),
			"change": d.Reconfigure(d.Options()),
		} {
			if err != tundev.ErrClosed {
				t.Errorf("%s after close: %v", what, err)
			}
		}
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New("vxm0", testMAC, 1500)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		if _, err := d.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("next: %v", err)
		}
		if took := time.Since(began); took != time.Hour {
			t.Errorf("it took %v", took)
		}
	})
}
