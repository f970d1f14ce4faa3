// Package netns builds throw-away networks out of Linux network namespaces.
//
// Use it wherever real kernels have to talk to each other on one machine: the lab and the bench. A
// namespace has no name in the file system: it lives as long as this process
// or a process started in it, so whatever kills its owner removes the devices with it, two labs
// never meet, and there is nothing left to sweep. Everything needs CAP_SYS_ADMIN and
// CAP_NET_ADMIN, which root has and `unshare -Urnm` gives. A [NS] and what it opens may be used by
// any number of goroutines.
package netns
