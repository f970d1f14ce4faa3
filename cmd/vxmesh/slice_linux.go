package main

import (
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// sliceLen is several times the time slice of others (0.7 to 2.8 ms), and short enough for a ping on a busy machine.
const sliceLen = 10 * time.Millisecond

// takeLongSlices has the kernel give this process's threads slices of [sliceLen]. It sounds greedy and is the opposite: who
// asks for a shorter slice goes first when it wakes up. An application that our write to the device woke up thus takes
// what we wrote before we write more, and not when its socket has long been full; one that writes to the device is not
// interrupted for each of its frames. Threads that begin later have the slices of those that begin them, but for what
// SCHED_RESET_ON_FORK resets. Linux before 6.12 has no such wish.
func takeLongSlices() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := takeLongSlice(tid); err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
			return err
		}
	}
	return nil
}

// takeLongSlice leaves alone what somebody has given a policy of its own, such as one for real time.
func takeLongSlice(tid int) error {
	attr, err := unix.SchedGetAttr(tid, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		return err
	}
	attr.Runtime = uint64(sliceLen)
	return unix.SchedSetAttr(tid, attr, 0)
}
