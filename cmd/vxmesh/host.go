package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// hostsFile is where a node keeps which of the network's addresses it took, by segment, so that it
// has the same after a restart.
const hostsFile = "addresses.json"

// maxHostsFile is how long that file can be at most.
const maxHostsFile = 1 << 16

// readHosts reads the numbers of the node's hosts in the network's pool, by VNI.
func readHosts(state string) map[uint32]int {
	hosts := make(map[uint32]int)
	text, err := atomicfile.Read(filepath.Join(state, hostsFile), maxHostsFile)
	if err != nil || json.Unmarshal(text, &hosts) != nil {
		return make(map[uint32]int) // another will be found
	}
	return hosts
}

// hostOf gives a function that says which host this node was in a segment, 0 for none yet.
func hostOf(state string) func(vni uint32) int {
	return func(vni uint32) int {
		if n := readHosts(state)[vni]; n >= 1 && n <= roster.MaxHost {
			return n
		}
		return 0
	}
}

// keepHost remembers which host this node is in a segment.
func keepHost(state string, vni uint32, n int) error {
	hosts := readHosts(state)
	hosts[vni] = n
	text, err := json.Marshal(hosts)
	if err != nil {
		return err
	}
	if err := atomicfile.MakeDir(state); err != nil {
		return fmt.Errorf("keep address: %w", err)
	}
	return atomicfile.ReplaceAsOwner(filepath.Join(state, hostsFile), append(text, '\n'))
}
