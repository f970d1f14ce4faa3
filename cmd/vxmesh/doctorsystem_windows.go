package main

import "io/fs"

// ownerOf is not known here: files have lists of who may do what instead.
func ownerOf(fs.FileInfo) (uid int, ok bool) { return 0, false }
