// Package routesock hears what the kernels of macOS and the BSDs tell of interfaces, addresses and
// routes (route(4)).
//
// Use it to learn that something changed without looking again and again. One goroutine reads a
// [Socket]; Close may be called from anywhere.
package routesock
