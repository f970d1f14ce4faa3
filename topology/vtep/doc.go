// Package vtep has this machine's kernel be an endpoint of VXLAN, in a network namespace of its own.
//
// Use it where a demo wants a host that nobody can say is made up: [Isolate] runs this program once more
// in a namespace where it may do as it likes, which needs no root where users may have namespaces
// (Linux), and [Start] makes the kernel's device there. Elsewhere both say that they cannot.
package vtep
