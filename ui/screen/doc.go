// Package screen is what the terminal UI shows and how it answers to keys: the pages, their dialogs, and
// the table of commands that keys, palette, help and the line at the bottom are all made of.
//
// A [UI] does no I/O and reads no clock: it is told the time, the window's size, keys and events, draws
// itself on a canvas, and says with an [Effect] what should be done outside of it. It belongs to one
// goroutine.
package screen
