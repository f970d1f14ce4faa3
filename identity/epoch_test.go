package identity

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var now = time.Unix(1_800_000_000, 0)

func TestEpochCounts(t *testing.T) {
	dir := t.TempDir()
	before := uint32(time.Now().Unix())
	first, err := NextEpoch(dir)
	if err != nil || first < before {
		t.Fatalf("the first is %d, %v", first, err)
	}
	last, steps := first, make(map[uint32]bool)
	for range 20 {
		n, err := NextEpoch(dir)
		if err != nil || n <= last || n > last+maxStep {
			t.Errorf("after %d comes %d, %v", last, n, err)
		}
		steps[n-last], last = true, n
	}
	if len(steps) == 1 {
		t.Error("machines that were copied from one image would count in step")
	}
	wantFiles(t, dir, epochFile)
}

func TestEpochOfFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), epochFile)
	for text, want := range map[string]uint32{ // or some more, where there was a number
		"7\n":          8,
		"7":            8,
		" 7\r\n":       8,
		"1800000001\n": 1_800_000_002, // it never goes back, whatever the clock says
		"4294967294\n": math.MaxUint32,
		"":             1_800_000_000,
		"\n":           1_800_000_000,
		"0\n":          1_800_000_000,
		"-1\n":         1_800_000_000,
		"4294967296\n": 1_800_000_000,
		"seven\n":      1_800_000_000,
		"\x00\x00\x00": 1_800_000_000,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := nextEpoch(path, now)
		most := want
		if _, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32); err == nil && want != 1_800_000_000 {
			most += min(maxStep, math.MaxUint32-want)
		}
		if err != nil || got < want || got > most {
			t.Errorf("after %q comes %d, %v, want %d", text, got, err, want)
		}
		if kept, err := readEpoch(path); err != nil || kept != got {
			t.Errorf("after %q the file holds %d, %v", text, kept, err)
		}
	}
}

func TestEpochWithAnOddClock(t *testing.T) {
	for _, at := range []time.Time{time.Unix(-5, 0), time.Unix(0, 0), time.Unix(1<<40, 0)} {
		path := filepath.Join(t.TempDir(), epochFile)
		first, err := nextEpoch(path, at)
		if err != nil || first == 0 {
			t.Fatalf("at %v: %d, %v", at, first, err)
		}
		if second, err := nextEpoch(path, at); err != nil || second <= first {
			t.Errorf("at %v: %d after %d, %v", at, second, first, err)
		}
	}
}

// What cannot be counted must not be used again.
func TestEpochRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, epochFile), []byte("4294967295"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := NextEpoch(dir); err == nil || !strings.Contains(err.Error(), "count further") {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := NextEpoch(filepath.Join(dir, "none")); err == nil {
		t.Errorf("without a directory: %d", n)
	}
	if err := os.Mkdir(filepath.Join(dir, "odd"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "odd", epochFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if n, err := NextEpoch(filepath.Join(dir, "odd")); err == nil {
		t.Errorf("with a directory in its place: %d", n)
	}
	wantFiles(t, filepath.Join(dir, "odd"), epochFile)
}
