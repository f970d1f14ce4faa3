// Package membership keeps what makes a node a member of a network, in the node's state directory:
//
//	membership.json    the network's key and name, this node's certificate, the secret, the seeds
//	members.json       the roster as the node knew it last
//	invitations.json   the invitations of an admin, and who has used them
//	network.key        the network's private key, only where it is kept
//
// membership.json is written last by whoever makes a membership: when it is there, all is. Every file
// is for its owner alone and is replaced as a whole. The running node and commands are processes of
// their own, so whoever changes a file holds a lock, reads it, and writes what it makes of it.
//
// A [Member] may be used by any goroutine.
package membership
