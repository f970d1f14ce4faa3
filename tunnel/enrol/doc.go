// Package enrol is a joiner's side of an invitation: it finds the node that gave it, proves that it
// has it, and brings back what a member of the network needs.
//
//	joiner                                           inviter
//	   ──── handshake, for whoever knows the invitation ────►
//	   ◄───────────────────────────────────────────────────
//	   ──── Redeem: proofs over this very session ──────────►   spends the invitation, issues
//	   ◄─── Items: the inviter's certificate and record ────
//	   ◄─── Grant: the certificate, the network's secret ───
//
// [Join] is all there is to it. The bytes are package roster's.
package enrol
