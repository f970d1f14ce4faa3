package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/PID/stat, which Linux fixes for every machine it shows to programs.
const tick = 10 * time.Millisecond

func (p *pair) runsVxmesh() bool { return p.from.vxmesh != nil || p.to.vxmesh != nil }

// cpu is the processor time that the pair's vxmesh processes have used, in user mode and in the
// kernel.
func (p *pair) cpu() time.Duration {
	var sum time.Duration
	for _, h := range []*host{p.from, p.to} {
		if h.vxmesh != nil {
			sum += processTime(h.vxmesh.PID())
		}
	}
	return sum
}

// processTime is zero for a process that has ended; the measurement itself then says so.
func processTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, the second field, may hold blanks and parentheses; utime and stime are 14 and 15.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var sum time.Duration
	for _, f := range fields[11:13] {
		n, _ := strconv.ParseInt(f, 10, 64) // the kernel writes digits
		sum += time.Duration(n) * tick
	}
	return sum
}
