// Package nat finds how a peer can be reached, through whatever lies between: which of the addresses
// that it might have answer, which of these is best, and when to ask it to call back.
//
// An [Agent] does so for one peer. It sends nothing and reads no clock: it is told what happened and
// when, and says what to send. Whoever owns it seals the pings it asks for, and tells it of a pong
// only when that brought back a number of ours from where the ping went. An [Observer] keeps what
// others say of our own addresses. Times are durations since any origin. Nothing here is safe for
// concurrent use.
package nat
