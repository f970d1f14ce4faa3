package main

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTakeLongSlices asks each thread there is, and one that begins afterwards.
func TestTakeLongSlices(t *testing.T) {
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := uint64(sliceLen)
	if before.Runtime == 0 { // Linux before 6.12 takes the wish and forgets it
		want = 0
	}
	if err := takeLongSlices(); err != nil {
		t.Fatal(err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		tid, _ := strconv.Atoi(thread.Name())
		wantSlice(t, tid, want)
	}
	begun, end := make(chan int), make(chan struct{})
	defer close(end)
	for range len(threads) + 1 { // more than there are
		go func() {
			runtime.LockOSThread()
			begun <- unix.Gettid()
			<-end
		}()
	}
	for range len(threads) + 1 {
		wantSlice(t, <-begun, want)
	}
}

func wantSlice(t *testing.T, tid int, want uint64) {
	t.Helper()
	attr, err := unix.SchedGetAttr(tid, 0)
	if err != nil {
		t.Error(err)
	} else if attr.Runtime != want || attr.Policy != unix.SCHED_NORMAL {
		t.Errorf("thread %d: a slice of %d ns, policy %d", tid, attr.Runtime, attr.Policy)
	}
}

// TestSliceLeavesOthersPolicies is run on a thread of its own, which ends with the test.
func TestSliceLeavesOthersPolicies(t *testing.T) {
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked, so that the thread ends
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}
		if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
			t.Error(err)
			return
		}
		before, _ := unix.SchedGetAttr(0, 0)
		if err := takeLongSlice(0); err != nil {
			t.Error(err)
		}
		after, err := unix.SchedGetAttr(0, 0)
		if err != nil || *after != *before {
			t.Errorf("%+v, before it was %+v, %v", after, before, err)
		}
	}()
	<-done
}
