// Package demo is a simulated network behind the real control server: what a client shows of it was
// asked for, answered and followed as with any node.
//
// The node is pve1 of the network home, with six peers: two of them do well, one is relayed until a direct
// way is found and again when it is lost, one loses much for a while, one comes and goes. Behind them 41
// machines talk, fall silent, and move. All that can be asked of a node is done to the simulation.
//
// Everything follows from a seed and the number of the step; a step is a second. Nothing is sent anywhere
// and no address is anybody's: they are those set aside for documentation (RFC 5737, RFC 3849) and
// for private networks.
package demo
