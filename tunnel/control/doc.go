// Package control is the local API of a running node: its JSON types, the server on a Unix socket,
// the client, and the Prometheus metrics.
//
// The engine fills a [Backend], feeds a [Hub] and a [LogBuffer], and calls [Listen] and [Serve]; a
// command or a screen uses [Client] and nothing else. The JSON types are the contract: fields are
// only ever added, lists are [] and maps are {} when empty, never null. Nothing here knows the
// engine, so whoever only looks at a node links none of it.
//
// [Hub], [LogBuffer] and [Client] may be used by any number of goroutines; the JSON types are plain
// values. A client that stops reading is cut off and holds up nobody.
package control
