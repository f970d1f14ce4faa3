// Package proxy joins sockets of this machine with a network that only this process is in: a SOCKS5
// server, forwards from here to there, and publishes from there to here.
//
// Use it where a segment's device is a stack within the process, a [Stack], which the programs of the
// machine cannot see. [Proxies] runs what a list of [Service] says and follows changes of the list,
// whole or not at all; [Proxies.Dial] and [Join] serve whoever brings a stream of its own. Its methods
// may be called from any goroutine, but [Proxies.Prepare] and what becomes of its change by one at a time.
package proxy
