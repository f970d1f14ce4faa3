package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDemo: where there is no terminal, the demo is a text that ends by itself; what passed can be kept.
func TestDemo(t *testing.T) {
	pcap := filepath.Join(t.TempDir(), "demo.pcapng")
	r := vxmesh(t, "demo", "--count", "1", "--pcap", pcap)
	if r.code != exitOK || !strings.Contains(r.out, "ping 1: answered") || !strings.Contains(r.out, "What happened") ||
		!strings.HasPrefix(r.errOut, pcap+": ") {
		t.Errorf("%+v", r)
	}
	b, err := os.ReadFile(pcap)
	if err != nil || !strings.HasPrefix(string(b), pcapngMagic) || !strings.Contains(string(b), "ICMP echo request") {
		t.Errorf("the record: %d bytes, %v", len(b), err)
	}
}

func TestDemoRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--count", "0"}, "--count is at least 1"},
		{[]string{"--count", "-1"}, "--count is at least 1"},
		{[]string{"--pause", "1ms"}, "--pause is at least 10ms"},
		{[]string{"--sed", "1"}, "did you mean --seed?"},
	} {
		if r := vxmesh(t, append([]string{"demo"}, c.args...)...); r.code != exitUsage || !strings.Contains(r.errOut, c.says) {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
	r := vxmesh(t, "demo", "--count", "1", "--pcap", filepath.Join(t.TempDir(), "no", "such", "dir"))
	if r.code != exitFailed || !strings.Contains(r.errOut, "no such file or directory") {
		t.Errorf("%+v", r)
	}
}

// TestDemoInterrupted: ctrl-c is no failure.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if r := vxmeshUntil(ctx, "demo", "--plain"); r.code != exitOK || !strings.Contains(r.out, "handshake, message 1") {
		t.Errorf("%+v", r)
	}
}
