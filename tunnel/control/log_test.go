package control_test

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func TestLogFlattensGroups(t *testing.T) {
	buf := control.NewLogBuffer(slog.LevelInfo)
	log := slog.New(buf).With("vni", 4242).WithGroup("vtep").With("remote", "192.0.2.7")
	log.Debug("too low")
	log.Info("new", "state", "ok", slog.Group("path", "mtu", 1450), slog.Group("", "inline", true))
	log.WithGroup("").Info("again", slog.Attr{})

	want := []map[string]any{
		{
			"vni": int64(4242), "vtep.remote": "192.0.2.7", "vtep.state": "ok",
			"vtep.path.mtu": int64(1450), "vtep.inline": true,
		},
		{"vni": int64(4242), "vtep.remote": "192.0.2.7"},
	}
	var got []map[string]any
	for _, r := range buf.Records() {
		got = append(got, r.Attrs)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func TestLogFollowerThatNeverReadsIsCutOff(t *testing.T) {
	buf := control.NewLogBuffer(slog.LevelInfo)
	_, slow, cancelSlow := buf.Follow()
	defer cancelSlow()
	log := slog.New(buf)
	for i := range control.FollowBuffer + 1 {
		log.Info("line", "i", i)
	}
	n := 0
	for range slow {
		n++
	}
	if n != control.FollowBuffer {
		t.Errorf("%d records before the cut, want %d", n, control.FollowBuffer)
	}
	_, next, cancel := buf.Follow()
	log.Info("still here")
	if r := <-next; r.Msg != "still here" {
		t.Errorf("got %+v", r)
	}
	cancel()
	cancel() // twice is allowed
	if _, open := <-next; open {
		t.Error("the channel is open after its end")
	}
}
