// Package identity keeps who a node is: its private keys, in one file that nobody else may read,
// and the number of its starts.
//
// A daemon calls [Claim] once, which makes the file on first start and keeps other nodes from being
// the same one, and [NextEpoch] before it opens sessions; whoever only wants to know a node's
// public key uses [Open] or [Load]. An [Identity] is a plain value that never changes: everything
// here may be called from any goroutine.
package identity
