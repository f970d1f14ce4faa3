// Package ui is the terminal UI: a program that shows a running network and changes it, as a client of
// its node's control socket and of nothing else.
//
// What it knows is kept by package mirror, what it shows by package screen; this package connects both
// with the terminal and the node: it reads the stream of events, connects again when the node was gone,
// turns keys and windows into calls of the screen, and does what the screen asks for.
package ui
