package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/internal/bundle"
	"github.com/vxmesh/vxmesh/internal/crash"
	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// crashDir is where the reports of a network's crashes are kept.
func crashDir(cfg *config.Config) string { return filepath.Join(stateDir(cfg), "crash") }

// markPath is where a node with the identity of that file is marked as running.
func markPath(cfg *config.Config, identity string) string {
	name := filepath.Base(identity)
	return filepath.Join(stateDir(cfg), strings.TrimSuffix(name, filepath.Ext(name))+".running")
}

// watchForCrashes begins to, and tells how the last run ended. Nothing of this keeps a node from running.
func (d *daemon) watchForCrashes() {
	var err error
	d.crash, err = crash.Open(crash.Options{
		Name: d.cfg.Network.Name, Version: thisVersion().Version,
		Mark: markPath(d.cfg, d.id.path), Dir: crashDir(d.cfg), Files: d.crashFiles,
	})
	if err != nil {
		d.log.Warn("a crash may leave no report", "err", err)
	}
	if last := d.crash.Last(); last != nil {
		d.log.Warn("the last run crashed", "reason", last.Reason, "report", last.Report)
	}
}

// An aboutRun is what a crash report says of the program and its machine.
type aboutRun struct {
	Version       buildVersion `json:"version"`
	Network       string       `json:"network"`
	UptimeSeconds float64      `json:"uptime_seconds"`
	Processors    int          `json:"processors"`
	MaxProcs      int          `json:"gomaxprocs"`
	Goroutines    int          `json:"goroutines"`
	HeapBytes     uint64       `json:"heap_bytes"`
	SystemBytes   uint64       `json:"system_bytes"` // that Go has from the system
	MissedPackets uint64       `json:"missed_packets"`
}

// crashFiles are what a crash report has besides the stacks. They are made of what needs no lock but
// the recorder's.
func (d *daemon) crashFiles() []bundle.File {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	about := aboutRun{
		Version: thisVersion(), Network: d.network, UptimeSeconds: time.Since(d.began).Seconds(),
		Processors: runtime.NumCPU(), MaxProcs: runtime.GOMAXPROCS(0), Goroutines: runtime.NumGoroutine(),
		HeapBytes: memory.HeapAlloc, SystemBytes: memory.Sys,
	}
	text, err := os.ReadFile(d.path)
	if err != nil {
		text = fmt.Appendf(nil, "# %v\n", err)
	}
	files := []bundle.File{{Name: "config.toml", Text: text}}
	if d.node != nil { // not yet, when the last run's is written
		packets, missed := d.node.Packets()
		about.MissedPackets = missed
		files = append(files, bundle.File{Name: "packets.pcapng", Text: capture.File(packets), Kind: bundle.Binary})
	}
	return append(files, jsonFile("about", about))
}

// packets are the headers of the last packets, as pcapng or a line each.
func (d *daemon) packets(text bool) []byte {
	list, _ := d.node.Packets()
	if text {
		return capture.Text(list)
	}
	return capture.File(list)
}

// panicked reports the panic of a request, which the node survives.
func (d *daemon) panicked(v any) string {
	line := d.crash.Survive(v)
	d.log.Error("a request failed by a mistake of this program: " + line)
	return line
}

// crashWarnings tell of the crash before this run, and of requests that crashed in it.
func (d *daemon) crashWarnings() (list []control.Warning) {
	if last := d.crash.Last(); last != nil {
		list = append(list, control.Warning{Code: "crashed", Message: crashText(last), Fix: sendReport(last.Report)})
	}
	if line := d.crash.Survived(); line != "" {
		list = append(list, control.Warning{
			Code: "request_failed", Message: "a request failed by a mistake of this program; " + line,
			Fix: "send the report, then restart the node",
		})
	}
	return list
}

func crashText(last *crash.Last) string {
	return fmt.Sprintf("the last run crashed at %s: %s", last.At.UTC().Format(time.RFC3339), last.Reason)
}

// sendReport is what to do about a crash.
func sendReport(path string) string {
	if path == "" {
		return "see the log, and tell of it: " + crash.Where
	}
	return fmt.Sprintf("send %s to %s; there are no keys in it, but names and addresses", path, crash.Where)
}

// checkCrashes tells of the last crash, whether the node runs again or not, and of the reports that there
// are.
func checkCrashes(_ context.Context, p *patient) []finding {
	if p.cfg == nil {
		return skip("without a config there is nothing to look at")
	}
	switch last, err := crash.Crashed(markPath(p.cfg, identityPath(p.cfg))); {
	case errors.Is(err, fs.ErrPermission):
		return skip("%s is not for this user to look at: sudo vxmesh doctor", stateDir(p.cfg))
	case err != nil:
		return []finding{warn("", "cannot tell whether the last run crashed: %v", err)}
	case last != nil && last.Report == "":
		return []finding{warn("start the node, which makes a report of it; then vxmesh doctor", "%s", crashText(last))}
	case last != nil:
		return []finding{warn(sendReport(last.Report), "%s", crashText(last))}
	}
	reports := crash.List(crashDir(p.cfg))
	if len(reports) == 0 {
		return okay("no crash reports")
	}
	newest := reports[len(reports)-1]
	return []finding{warn(sendReport(newest)+"; then remove it",
		"%s in %s", plural(len(reports), "crash report", "crash reports"), crashDir(p.cfg))}
}
