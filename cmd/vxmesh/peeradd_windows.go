package main

import "io/fs"

// keepOwner has nothing to do where a file belongs to its directory.
func keepOwner(string, fs.FileInfo) error { return nil }
