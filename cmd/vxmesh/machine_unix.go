//go:build unix

package main

import "os"

// forMachine reports whether networks are the machine's, not those of an ordinary user.
func forMachine() bool { return os.Geteuid() == 0 }

// machineStateDir is where the states of the machine's networks are.
func machineStateDir() string { return "/var/lib/vxmesh" }
