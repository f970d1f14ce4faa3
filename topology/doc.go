// Package topology runs a network in one process: whole nodes, each with a host of its own in user
// space, on an internet in memory with NATs, carriers and lines of any quality.
//
// Use it to show or to try what a network does without root and without another machine. A [Plan]
// says what there is, [New] builds it, [World.Run] runs it until its context ends. What happens to
// a network can happen to this one while it runs: see [World.Change]. Equal plans have equal chance,
// but real time, so that no two runs are the same to the microsecond.
//
// A World and its Hosts may be used by any number of goroutines.
package topology
