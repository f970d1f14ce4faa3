// Package explain says in words what a frame or a datagram is, for people who want to learn it.
//
// Use it on what passes in a simulated network. Of a sealed datagram it says what anybody on the way
// sees, and what its length gives away to somebody who knows which frames were sent. Everything here
// is a function of bytes, safe for concurrent use.
package explain
