// Package chunk cuts messages into pieces that fit the path and puts the pieces together again.
//
// A message is what one sealed frame is: its offload metadata, if it has any, and the frame. Use a
// [Plan] where a message is sealed and a [Reassembler] for each peer where its pieces are opened.
// Nothing here does I/O, knows a key or reads a clock; a Plan is a value, and one goroutine owns a
// Reassembler together with its [Pool].
package chunk

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

const (
	// maxData is the longest message: a frame as a device gives it, and its metadata.
	maxData = offload.HeaderLen + tundev.BufLen
	// MaxCopy is the longest copy of a message's headers, with the byte that says how long it is.
	MaxCopy = 255
	// maxMessage is what a buffer holds: the longest message and the copy behind it.
	maxMessage = maxData + MaxCopy + 1
)

const (
	// maxOpen is how many messages of one peer are held at a time.
	maxOpen = 32
	// reorder is how many datagrams later than a message's end another has to begin for the first to
	// be given up: more than a path that is not broken reorders by.
	reorder = 64
	// patience is how long a message waits for its next chunk before it is given up. It is less than
	// what TCP waits for before it sends again (RFC 8985, 6.2).
	patience = 5 * time.Millisecond
	// memory is how long the rest of a message that was given up can still come.
	memory = 200 * time.Millisecond
)
