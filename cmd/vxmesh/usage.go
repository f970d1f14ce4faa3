package main

import (
	"runtime/metrics"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// processStats is what the process takes: the CPU time that the system has counted for it, and the
// memory that the Go runtime has mapped and not given back. Little else is mapped: there is no C in it.
func processStats() control.NodeStats {
	m := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/sched/goroutines:goroutines"},
	}
	metrics.Read(m)
	return control.NodeStats{
		CPUSeconds:  cpuTime().Seconds(),
		MemoryBytes: m[0].Value.Uint64() - m[1].Value.Uint64(),
		Goroutines:  int(m[2].Value.Uint64()),
	}
}
