// Package atomicfile keeps small private files that are there whole or not at all, whatever happens
// to the machine meanwhile, and the locks by which processes take turns.
//
// A file is written beside its place, down to the disk, and then renamed: a reader sees the old one
// or the new one. It is for its owner alone, and one that is not is not read. Everything here may be
// called from any goroutine.
package atomicfile
