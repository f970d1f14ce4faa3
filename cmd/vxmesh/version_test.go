package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionOf(t *testing.T) {
	repository := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "936e7a6"},
		{Key: "vcs.time", Value: "2026-11-29T14:00:00Z"},
		{Key: "vcs.modified", Value: "true"},
	}
	for _, c := range []struct {
		main, linked string
		settings     []debug.BuildSetting
		want         string
	}{
		{"v1.2.3", "", repository, "vxmesh v1.2.3 |commit 936e7a6 of 2026-11-29T14:00:00Z, with changes\n"},
		{"v1.2.3", "v9.9.9", repository, "vxmesh v1.2.3 |commit 936e7a6 of"},
		{"(devel)", "v9.9.9", nil, "vxmesh v9.9.9 |commit abc\n"},
		{"v1.2.3", "", nil, "vxmesh v1.2.3 |commit unknown\nbuild  source\n"}, // go install of the module
		{"", "", nil, "vxmesh (devel) |commit unknown\n"},
	} {
		version, commit = c.linked, ""
		if c.linked != "" {
			commit = "abc"
		}
		text := versionText(versionOf(&debug.BuildInfo{Main: debug.Module{Version: c.main}, Settings: c.settings}))
		for want := range strings.SplitSeq(c.want, "|") {
			if !strings.Contains(text, want) {
				t.Errorf("%+v: no %q in %s", c, want, text)
			}
		}
	}
	version, commit = "", ""
	if text := versionText(versionOf(nil)); !strings.HasPrefix(text, "vxmesh (devel)") {
		t.Error(text)
	}
}

// TestWatchdog: it is fed only where somebody asks for it, and only by the process that was asked.
func TestWatchdog(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      bool
	}{{"", "", false}, {"30000000", "", true}, {"30000000", "1", false}} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got := watchdog() != nil; got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
