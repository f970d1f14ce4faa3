//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: this needs Linux: it compares with the kernel's vxlan device")
	os.Exit(1)
}
