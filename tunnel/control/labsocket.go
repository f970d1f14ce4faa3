package control

import (
	"os"
	"path/filepath"
	"slices"
)

// Simulated networks have their sockets in a directory of their own, so that no command takes their nodes
// for this machine's: DIR/LAB.sock is the lab's, DIR/LAB/NODE.sock a node's.

// LabDir is where the labs that this user runs have their sockets.
func LabDir() string { return filepath.Join(ownDir(), "labs") }

// LabSocket is where a lab itself listens.
func LabSocket(dir, lab string) string { return filepath.Join(dir, lab+socketExt) }

// LabNodeSocket is where a node of a lab listens.
func LabNodeSocket(dir, lab, node string) string { return filepath.Join(dir, lab, node+socketExt) }

// Labs lists the labs that run with their sockets in dir, by name.
func Labs(dir string) []Network { return slices.Collect(running(dir)) }

// ClearLab removes what a lab that was killed has left in dir. The caller holds the lab's own socket.
func ClearLab(dir, lab string) error { return os.RemoveAll(filepath.Join(dir, lab)) }
