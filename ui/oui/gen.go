//go:build ignore

// This program writes the table of vendors from the register that package macs carries.

package main

import (
	"log"
	"os"

	"github.com/gopacket/gopacket/macs"

	"github.com/vxmesh/vxmesh/ui/oui/internal/pack"
)

func main() {
	if err := os.WriteFile("oui.gz", pack.Table(macs.ValidMACPrefixMap), 0o644); err != nil {
		log.Fatal(err)
	}
}
