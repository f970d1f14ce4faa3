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

func (p *pair) hasPrograms() bool { return len(p.from.programs)+len(p.to.programs) > 0 }

// cpu is the processor time that the programs of the pair's endpoints have used, in user mode and
// in the kernel.
func (p *pair) cpu() time.Duration {
	var sum time.Duration
	for _, h := range []*host{p.from, p.to} {
		for _, program := range h.programs {
			sum += processTime(program.PID())
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
